"""Lets the tests drive aiokafka."""

import asyncio
import contextlib

import lines
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import CommitFailedError, InvalidPartitionsError, UnknownTopicOrPartitionError, for_code

PARTITIONS = 5
RETENTION = "86400000"
NO_ERROR, UNKNOWN_TOPIC_OR_PARTITION, TOPIC_ALREADY_EXISTS = 0, 3, 36
# As DescribeConfigs numbers them.
DYNAMIC_TOPIC_CONFIG, DEFAULT_CONFIG = 1, 5


async def produce(arguments):
    """Sends what it reads and prints each record as the broker acknowledged it, in input order."""
    settings = {}
    if arguments.codec != "default":
        settings["compression_type"] = None if arguments.codec == "none" else arguments.codec
    producer = AIOKafkaProducer(
        bootstrap_servers=arguments.brokers,
        acks={"all": "all", "leader": 1, "none": 0}[arguments.acks],
        enable_idempotence=arguments.idempotent,
        linger_ms=5,
        **settings,
    )
    async with producer:
        records = lines.read()
        futures = [
            await producer.send(
                arguments.topic,
                partition=record.partition,
                timestamp_ms=record.timestamp,
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
            for record in records
        ]
        for record, acknowledged in zip(records, await asyncio.gather(*futures)):
            if arguments.acks != "none":
                record.partition = acknowledged.partition
                record.offset = acknowledged.offset
                # Its timestamp is that of the first record of the batch, whichever is asked.
    lines.write(records)


async def partitions_of(arguments):
    async with administrator(arguments) as client:
        described = (await client.describe_topics([arguments.topic]))[0]
    numbers = sorted(partition["partition"] for partition in described["partitions"])
    return [TopicPartition(arguments.topic, number) for number in numbers]


def consumer(arguments):
    return AIOKafkaConsumer(bootstrap_servers=arguments.brokers, enable_auto_commit=False)


async def consume(arguments):
    """Reads without a group until it has as many records as it is asked for."""
    check = lines.deadline()
    async with consumer(arguments) as reader:
        if arguments.starts is None:
            reader.assign(await partitions_of(arguments))
            await reader.seek_to_beginning()
        else:
            reader.assign([TopicPartition(arguments.topic, partition) for partition, _ in arguments.starts])
            for partition, offset in arguments.starts:
                reader.seek(TopicPartition(arguments.topic, partition), offset)
        records = []
        while len(records) < arguments.count:
            check(f"{len(records)} of {arguments.count} records")
            for polled in (await reader.getmany(timeout_ms=1000)).values():
                records.extend(record(message) for message in polled)
    lines.write(records)


async def group(arguments):
    """Reads as the members of a group until they have as many records as it is asked for, and commits what was read."""
    read = {}
    await asyncio.gather(*(member(arguments, read) for _ in range(arguments.members)))
    lines.write(read.values())


async def member(arguments, read):
    check = lines.deadline()
    reader = AIOKafkaConsumer(
        arguments.topic,
        bootstrap_servers=arguments.brokers,
        group_id=arguments.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with reader:
        while len(read) < arguments.count:
            check(f"{len(read)} of {arguments.count} records")
            polled = await reader.getmany(timeout_ms=200, max_records=10)
            positions = {}
            for partition, messages in polled.items():
                for message in messages:
                    if len(read) < arguments.count:
                        # After a rebalance a record that was not committed is read again.
                        read[message.partition, message.offset] = record(message)
                        positions[partition] = message.offset + 1
            # Of a partition that somebody else has by now it is refused, and read again there.
            with contextlib.suppress(CommitFailedError):
                if positions:
                    await reader.commit(positions)


def record(message):
    return lines.Record(
        partition=message.partition,
        offset=message.offset,
        timestamp=message.timestamp,
        key=message.key,
        value=message.value,
        headers=list(message.headers),
    )


async def offsets(arguments):
    """Prints where each partition starts and ends, then what it finds at timestamps."""
    async with consumer(arguments) as reader:
        partitions = await partitions_of(arguments)
        starts, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
        lines.write(lines.Ends(it.partition, starts[it], ends[it]) for it in partitions)
        for partition, timestamp in arguments.at:
            asked = TopicPartition(arguments.topic, partition)
            found = (await reader.offsets_for_times({asked: timestamp}))[asked]
            lines.write([lines.Found(partition, timestamp, found and found.offset)])


@contextlib.asynccontextmanager
async def administrator(arguments):
    client = AIOKafkaAdminClient(bootstrap_servers=arguments.brokers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def admin(arguments):
    """Goes through the life of a topic and fails at the first answer that is not right."""
    topic = arguments.topic
    async with administrator(arguments) as client:
        cluster = await client.describe_cluster()
        addresses = [f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]]
        assert sorted(addresses) == sorted(arguments.brokers), cluster
        ids = sorted(broker["node_id"] for broker in cluster["brokers"])
        assert cluster["controller_id"] in ids, cluster

        wanted = NewTopic(topic, PARTITIONS, len(arguments.brokers), topic_configs={"retention.ms": RETENTION})
        assert await create(client, wanted) == NO_ERROR
        assert await create(client, wanted) == TOPIC_ALREADY_EXISTS

        described = await describe(client, topic, PARTITIONS)
        assert not described["is_internal"], described
        for partition in described["partitions"]:
            assert partition["error_code"] == NO_ERROR, partition
            assert partition["leader"] in ids, partition
            assert sorted(partition["replicas"]) == sorted(partition["isr"]) == ids, partition
        check = lines.deadline()
        while topic not in await client.list_topics():
            check("the topic is not listed")

        await expect_config(client, topic, "retention.ms", RETENTION, DYNAMIC_TOPIC_CONFIG)
        await expect_config(client, topic, "cleanup.policy", "delete", DEFAULT_CONFIG)
        of_broker = ConfigResource(ConfigResourceType.BROKER, str(ids[0]))
        assert (await config(client, of_broker, "num.partitions"))[1] == "3"

        assert await delete(client, topic) == NO_ERROR
        assert await delete(client, topic) == UNKNOWN_TOPIC_OR_PARTITION
        check = lines.deadline()
        while topic in await client.list_topics():
            check("the topic is still listed")


async def alter(arguments):
    """Changes a topic and fails at the first answer that is not right."""
    topic = arguments.topic
    async with administrator(arguments) as client:
        wanted = NewTopic(topic, PARTITIONS, len(arguments.brokers), topic_configs={"retention.ms": RETENTION})
        assert await create(client, wanted) == NO_ERROR
        await describe(client, topic, PARTITIONS)
        more = {topic: NewPartitions(PARTITIONS + 2)}
        await client.create_partitions(more)
        await describe(client, topic, PARTITIONS + 2)
        try:
            await client.create_partitions(more)
            raise AssertionError("as many partitions again were not refused")
        except InvalidPartitionsError:
            pass

        # It replaces all that the topic has.
        change = ConfigResource(ConfigResourceType.TOPIC, topic, {"segment.bytes": "1048576"})
        answers = await client.alter_configs([change])
        assert [resource[0] for answer in answers for resource in answer.resources] == [NO_ERROR], answers
        await expect_config(client, topic, "segment.bytes", "1048576", DYNAMIC_TOPIC_CONFIG)
        await expect_config(client, topic, "retention.ms", "604800000", DEFAULT_CONFIG)

        async with AIOKafkaProducer(bootstrap_servers=arguments.brokers) as producer:
            for number in range(10):
                await producer.send_and_wait(topic, partition=1, value=b"%d" % number)
        deleted = TopicPartition(topic, 1)
        await client.delete_records({deleted: RecordsToDelete(before_offset=4)})
        async with consumer(arguments) as reader:
            starts = await reader.beginning_offsets([deleted])
            assert starts == {deleted: 4}, starts


async def create(client, wanted):
    return (await client.create_topics([wanted])).topic_errors[0][1]


async def delete(client, topic):
    return (await client.delete_topics([topic])).topic_error_codes[0][1]


async def describe(client, topic, partitions):
    """Waits for that many, since the broker that answers may be a moment behind its controller."""
    check = lines.deadline()
    described = (await client.describe_topics([topic]))[0]
    while len(described["partitions"]) != partitions:
        check(described)
        described = (await client.describe_topics([topic]))[0]
    assert described["error_code"] == NO_ERROR, described
    return described


async def expect_config(client, topic, name, value, source):
    """Waits for the value, since the broker that answers may be a moment behind its controller."""
    check = lines.deadline()
    while True:
        try:
            got = await config(client, ConfigResource(ConfigResourceType.TOPIC, topic), name)
            if (got[1], got[3]) == (value, source):
                return
        except UnknownTopicOrPartitionError as refused:
            got = refused
        check(f"not {value} from {source}, but {got}")


async def config(client, resource, name):
    """Its name, value, whether it is read-only, and its source."""
    answers = await client.describe_configs([resource])
    error, message, _, _, entries = answers[0].resources[0]
    if error != NO_ERROR:
        raise for_code(error)(message)
    return next(entry for entry in entries if entry[0] == name)


def in_a_loop(command):
    return lambda arguments: asyncio.run(asyncio.wait_for(command(arguments), lines.LIMIT_SECONDS))


if __name__ == "__main__":
    commands = {
        "produce": produce,
        "consume": consume,
        "group": group,
        "offsets": offsets,
        "admin": admin,
        "alter": alter,
    }
    lines.main(**{name: in_a_loop(command) for name, command in commands.items()})
