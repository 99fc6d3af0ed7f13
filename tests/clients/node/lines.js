// How the tests speak with the programs that drive a client: one JSON object per line in either
// direction; bytes are hexadecimal, so that null, empty and arbitrary bytes differ. A record's
// headers are a list of `{ name, value }`.
'use strict'

const fs = require('node:fs')
const { parseArgs } = require('node:util')

// Less than the tests wait, so that a client that hangs says where.
const LIMIT_MS = 100_000

const hex = bytes => (bytes == null ? null : bytes.toString('hex'))
const unhex = digits => (digits == null ? null : Buffer.from(digits, 'hex'))

// Reads standard input to its end.
function read() {
  const lines = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)
  return lines.map(line => {
    const record = JSON.parse(line)
    const headers = record.headers.map(({ name, value }) => ({ name, value: unhex(value) }))
    return { ...record, key: unhex(record.key), value: unhex(record.value), headers }
  })
}

// Writes objects to standard output, a line each.
function write(objects) {
  fs.writeFileSync(1, objects.map(object => JSON.stringify(object) + '\n').join(''))
}

function writeRecords(records) {
  write(records.map(record => {
    const headers = record.headers.map(({ name, value }) => ({ name, value: hex(value) }))
    return { ...record, key: hex(record.key), value: hex(record.value), headers }
  }))
}

// `PARTITION:NUMBER`
function pair(text) {
  const [partition, number] = text.split(':').map(Number)
  return { partition, number }
}

// Runs the command that the arguments name; it gets them parsed.
async function main(commands) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      // HOST:PORT,HOST:PORT
      brokers: { type: 'string' },
      topic: { type: 'string' },
      // default (the client's own choice), none, gzip, snappy
      codec: { type: 'string', default: 'default' },
      // all, leader, none; the latter two not idempotently
      acks: { type: 'string', default: 'all' },
      idempotent: { type: 'boolean', default: false },
      // How many records to wait for.
      count: { type: 'string', default: '0' },
      // The group to consume as, and how many members of it consume at once.
      group: { type: 'string' },
      members: { type: 'string', default: '1' },
      // PARTITION:OFFSET to consume from; every partition from its start if not given.
      from: { type: 'string', multiple: true },
      // PARTITION:TIMESTAMP to look up.
      at: { type: 'string', multiple: true, default: [] },
    },
  })
  const command = commands[positionals[0]]
  if (command === undefined) throw new Error(`unknown command ${positionals[0]}`)
  const options = {
    ...values,
    brokers: values.brokers.split(','),
    count: Number(values.count),
    members: Number(values.members),
    from: values.from?.map(pair),
    at: values.at.map(pair),
  }
  setTimeout(() => fail(new Error('it takes too long')), LIMIT_MS).unref()
  await command(options)
}

function fail(error) {
  console.error(error)
  process.exit(1)
}

module.exports = {
  read,
  write,
  writeRecords,
  run: commands => main(commands).catch(fail),
}
