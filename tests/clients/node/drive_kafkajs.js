// Lets the tests drive kafkajs.
'use strict'

const assert = require('node:assert/strict')
const {
  CompressionCodecs,
  CompressionTypes,
  ConfigResourceTypes,
  ConfigSource,
  Kafka,
  Partitioners,
  logLevel,
} = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lines = require('./lines.js')

// The client has gzip; it documents this one for snappy. What it names for lz4 and zstd is native
// code that is compiled when it is installed.
CompressionCodecs[CompressionTypes.Snappy] = snappy

const PARTITIONS = 5
const RETENTION = '86400000'

function client({ brokers }) {
  return new Kafka({ brokers, clientId: 'tests', logLevel: logLevel.NOTHING })
}

// Sends what it reads and prints each record as the broker acknowledged it, in input order.
async function produce(options) {
  const codecs = {
    default: CompressionTypes.None,
    none: CompressionTypes.None,
    gzip: CompressionTypes.GZIP,
    snappy: CompressionTypes.Snappy,
  }
  const producer = client(options).producer({
    idempotent: options.idempotent,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const records = lines.read()
  const answers = await producer.send({
    topic: options.topic,
    acks: { all: -1, leader: 1, none: 0 }[options.acks],
    compression: codecs[options.codec],
    messages: records.map(record => ({
      partition: record.partition,
      timestamp: String(record.timestamp),
      key: record.key,
      value: record.value,
      headers: asObject(record.headers),
    })),
  })
  await producer.disconnect()
  const next = new Map(answers.map(answer => [answer.partition, Number(answer.baseOffset)]))
  for (const record of records) {
    record.offset = next.get(record.partition) ?? -1
    next.set(record.partition, record.offset + 1)
  }
  lines.writeRecords(records)
}

// The client takes and gives headers as an object, with a list for a name that repeats.
function asObject(headers) {
  const object = {}
  for (const { name, value } of headers) {
    object[name] = name in object ? [object[name], value].flat() : value
  }
  return object
}

function asList(headers) {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map(value => ({ name, value }))
  )
}

// The client's own metadata, fetch requests and decoder. Its consumer is always one of a group, so
// what lies beneath it is called.
async function withCluster(options, call) {
  const kafka = client(options)
  const symbols = Object.getOwnPropertySymbols(kafka)
  const create = symbols.find(symbol => symbol.description === 'private:Kafka:createCluster')
  const cluster = kafka[create]({ metadataMaxAge: 300_000, allowAutoTopicCreation: false })
  await cluster.connect()
  await cluster.addTargetTopic(options.topic)
  const partitions = cluster.findTopicPartitionMetadata(options.topic).map(it => it.partitionId)
  const result = await call(cluster, partitions.sort())
  await cluster.disconnect()
  return result
}

// Reads until it has as many records as it is asked for.
async function consume(options) {
  const records = await withCluster(options, async (cluster, partitions) => {
    const starts = options.from ?? partitions.map(partition => ({ partition, number: 0 }))
    const positions = new Map(starts.map(({ partition, number }) => [partition, number]))
    const leaders = cluster.findLeaderForPartitions(options.topic, [...positions.keys()])
    const records = []
    while (records.length < options.count) {
      for (const [nodeId, led] of Object.entries(leaders)) {
        const broker = await cluster.findBroker({ nodeId })
        const wanted = led.map(partition => ({
          partition,
          fetchOffset: positions.get(partition),
          maxBytes: 1 << 20,
        }))
        const { responses } = await broker.fetch({
          maxWaitTime: 500,
          topics: [{ topic: options.topic, partitions: wanted }],
        })
        for (const { partition, messages } of responses.flatMap(it => it.partitions)) {
          records.push(...advance(positions, partition, messages))
        }
      }
    }
    return records
  })
  lines.writeRecords(records)
}

// Reads as the members of a group until they have as many records as it is asked for, and commits
// what was read.
async function group(options) {
  const read = new Map()
  let isFull
  const full = new Promise(resolve => { isFull = resolve })
  // A member that has not joined yet does not end when it is disconnected, so all are waited for.
  const joined = Array.from({ length: options.members }, () => member(options, read, isFull))
  await Promise.all([full, ...joined])
  await Promise.all(consumers.map(consumer => consumer.disconnect()))
  lines.writeRecords([...read.values()])
}

const consumers = []

async function member(options, read, isFull) {
  const consumer = client(options).consumer({ groupId: options.group })
  consumers.push(consumer)
  await consumer.connect()
  await consumer.subscribe({ topics: [options.topic], fromBeginning: true })
  await consumer.run({
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, uncommittedOffsets, commitOffsetsIfNecessary }) => {
      for (const message of batch.messages) {
        if (read.size >= options.count) break
        // After a rebalance a record that was not committed is read again.
        read.set(`${batch.partition}:${message.offset}`, record(batch.partition, message))
        resolveOffset(message.offset)
      }
      await commitOffsetsIfNecessary(uncommittedOffsets())
      if (read.size >= options.count) isFull()
    },
  })
}

// The records of a fetch from the position on: it begins with the batch that has it.
function advance(positions, partition, messages) {
  const from = positions.get(partition)
  const records = messages
    .filter(message => Number(message.offset) >= from)
    .map(message => record(partition, message))
  if (records.length > 0) positions.set(partition, records.at(-1).offset + 1)
  return records
}

function record(partition, message) {
  return {
    partition,
    offset: Number(message.offset),
    timestamp: Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers: asList(message.headers),
  }
}

// Prints where each partition starts and ends, then what it finds at timestamps.
async function offsets(options) {
  const { topic } = options
  const admin = client(options).admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topic)
  ends.sort((left, right) => left.partition - right.partition)
  lines.write(ends.map(({ partition, low, high }) => ({ partition, start: Number(low), end: Number(high) })))
  for (const { partition, number } of options.at) {
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, number)
    const offset = Number(found.find(it => it.partition === partition).offset)
    // It gives the partition's end where there is none.
    const end = Number(ends.find(it => it.partition === partition).high)
    lines.write([{ partition, timestamp: number, offset: offset === end ? null : offset }])
  }
  await admin.disconnect()
}

// Goes through the life of a topic and fails at the first answer that is not right.
async function admin(options) {
  const { topic } = options
  const admin = client(options).admin()
  await admin.connect()
  const cluster = await admin.describeCluster()
  const addresses = cluster.brokers.map(({ host, port }) => `${host}:${port}`)
  assert.deepEqual(addresses.sort(), [...options.brokers].sort())
  const ids = cluster.brokers.map(broker => broker.nodeId).sort()
  assert.ok(ids.includes(cluster.controller))
  assert.ok(cluster.clusterId)

  const wanted = {
    // It would take a topic that the broker does not know yet for a failure.
    waitForLeaders: false,
    topics: [{
      topic,
      numPartitions: PARTITIONS,
      replicationFactor: -1,
      configEntries: [{ name: 'retention.ms', value: RETENTION }],
    }],
  }
  assert.equal(await admin.createTopics(wanted), true)
  assert.equal(await admin.createTopics(wanted), false)

  const partitions = await describe(admin, topic, PARTITIONS)
  for (const { partitionErrorCode, leader, replicas, isr } of partitions) {
    assert.equal(partitionErrorCode, 0)
    assert.ok(ids.includes(leader))
    assert.deepEqual([replicas.sort(), isr.sort()], [ids, ids])
  }
  while (!(await admin.listTopics()).includes(topic));

  await expectConfig(admin, topic, 'retention.ms', RETENTION, ConfigSource.TOPIC_CONFIG)
  await expectConfig(admin, topic, 'cleanup.policy', 'delete', ConfigSource.DEFAULT_CONFIG)
  const ofBroker = await configs(admin, ConfigResourceTypes.BROKER, String(ids[0]))
  assert.equal(ofBroker.get('num.partitions').configValue, '3')

  await admin.deleteTopics({ topics: [topic] })
  const again = atOnce(options)
  await again.connect()
  await assert.rejects(again.deleteTopics({ topics: [topic] }), hasType('UNKNOWN_TOPIC_OR_PARTITION'))
  await again.disconnect()
  while ((await admin.listTopics()).includes(topic));
  await admin.disconnect()
}

// Changes a topic and fails at the first answer that is not right.
async function alter(options) {
  const { topic } = options
  const admin = client(options).admin()
  await admin.connect()
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: PARTITIONS, configEntries: [{ name: 'retention.ms', value: RETENTION }] }],
  })
  await describe(admin, topic, PARTITIONS)
  const more = { topicPartitions: [{ topic, count: PARTITIONS + 2 }] }
  await admin.createPartitions(more)
  await describe(admin, topic, PARTITIONS + 2)
  await assert.rejects(admin.createPartitions(more), hasType('INVALID_PARTITIONS'))

  // It replaces all that the topic has.
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{
      type: ConfigResourceTypes.TOPIC,
      name: topic,
      configEntries: [{ name: 'segment.bytes', value: '1048576' }],
    }],
  })
  await expectConfig(admin, topic, 'segment.bytes', '1048576', ConfigSource.TOPIC_CONFIG)
  await expectConfig(admin, topic, 'retention.ms', '604800000', ConfigSource.DEFAULT_CONFIG)

  const producer = client(options).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const messages = Array.from({ length: 10 }, (_, i) => ({ partition: 1, value: String(i) }))
  await producer.send({ topic, messages })
  await producer.disconnect()
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: '4' }] })
  const [{ low }] = (await admin.fetchTopicOffsets(topic)).filter(it => it.partition === 1)
  assert.equal(low, '4')
  await admin.disconnect()
}

// An admin client that does not ask again where an error may pass.
function atOnce(options) {
  return client(options).admin({ retry: { retries: 0 } })
}

// Some errors are wrapped in one for all topics.
function hasType(type) {
  return error => [error, error.cause, ...(error.errors ?? [])].some(it => it?.type === type)
}

// Waits for that many, since the broker that answers may be a moment behind its controller.
async function describe(admin, topic, partitions) {
  for (;;) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      if (topics[0].partitions.length === partitions) return topics[0].partitions
    } catch (error) {
      if (!hasType('UNKNOWN_TOPIC_OR_PARTITION')(error)) throw error
    }
  }
}

async function configs(admin, type, name) {
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type, name }] })
  assert.equal(resources[0].errorCode, 0)
  return new Map(resources[0].configEntries.map(entry => [entry.configName, entry]))
}

// Waits for the value, since the broker that answers may be a moment behind its controller; the
// limit on the whole program ends it.
async function expectConfig(admin, topic, name, value, source) {
  for (;;) {
    try {
      const { configValue, configSource } = (await configs(admin, ConfigResourceTypes.TOPIC, topic)).get(name)
      if (configValue === value && configSource === source) return
      console.error(`${name} is still ${configValue} from ${configSource}`)
    } catch (error) {
      if (!hasType('UNKNOWN_TOPIC_OR_PARTITION')(error)) throw error
    }
  }
}

lines.run({ produce, consume, group, offsets, admin, alter })
