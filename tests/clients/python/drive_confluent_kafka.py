"""Lets the tests drive confluent-kafka, which is librdkafka with what its wheel brings along."""

import lines
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import TIMESTAMP_CREATE_TIME, TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from confluent_kafka.admin import NewPartitions, NewTopic, OffsetSpec, ResourceType

PARTITIONS = 5
RETENTION = "86400000"


def produce(arguments):
    """Sends what it reads and prints each record as the broker acknowledged it, in input order."""
    settings = {
        "bootstrap.servers": ",".join(arguments.brokers),
        "acks": {"all": "all", "leader": "1", "none": "0"}[arguments.acks],
        "enable.idempotence": arguments.idempotent,
    }
    if not arguments.idempotent:
        # What it promises to keep in order, it does only with one request at a time.
        settings["max.in.flight.requests.per.connection"] = 1
    if arguments.codec != "default":
        settings["compression.type"] = arguments.codec
    producer = Producer(settings)
    records = lines.read()
    reports = {}
    for index, record in enumerate(records):

        def report(error, message, index=index):
            reports[index] = error or message

        producer.produce(
            arguments.topic,
            partition=record.partition,
            timestamp=record.timestamp,
            key=record.key,
            value=record.value,
            headers=record.headers,
            on_delivery=report,
        )
        producer.poll(0)
    assert producer.flush(lines.LIMIT_SECONDS) == 0
    for index, record in enumerate(records):
        if isinstance(reports[index], KafkaError):
            raise KafkaException(reports[index])
        record.partition = reports[index].partition()
        # Without acknowledgements there is none.
        record.offset = -1 if reports[index].offset() is None else reports[index].offset()
        record.timestamp = timestamp(reports[index])
    lines.write(records)


def timestamp(message):
    kind, millis = message.timestamp()
    assert kind == TIMESTAMP_CREATE_TIME, kind
    return millis


def consumer(arguments):
    # A group id is asked for even where there is no group.
    return Consumer({"bootstrap.servers": ",".join(arguments.brokers), "group.id": "unused", "enable.auto.commit": False})


def partitions_of(reader, topic):
    return sorted(reader.list_topics(topic, lines.LIMIT_SECONDS).topics[topic].partitions)


def consume(arguments):
    """Reads without a group until it has as many records as it is asked for."""
    check = lines.deadline()
    reader = consumer(arguments)
    starts = arguments.starts
    if starts is None:
        starts = [(partition, OFFSET_BEGINNING) for partition in partitions_of(reader, arguments.topic)]
    reader.assign([TopicPartition(arguments.topic, partition, offset) for partition, offset in starts])
    records = []
    while len(records) < arguments.count:
        check(f"{len(records)} of {arguments.count} records")
        for message in reader.consume(arguments.count - len(records), timeout=1):
            if message.error():
                raise KafkaException(message.error())
            records.append(record(message))
    reader.close()
    lines.write(records)


def record(message):
    return lines.Record(
        partition=message.partition(),
        offset=message.offset(),
        timestamp=timestamp(message),
        key=message.key(),
        value=message.value(),
        headers=message.headers() or [],
    )


def offsets(arguments):
    """Prints where each partition starts and ends, then what it finds at timestamps."""
    reader = consumer(arguments)
    for partition in partitions_of(reader, arguments.topic):
        start, end = reader.get_watermark_offsets(TopicPartition(arguments.topic, partition), lines.LIMIT_SECONDS)
        lines.write([lines.Ends(partition, start, end)])
    for partition, time in arguments.at:
        asked = TopicPartition(arguments.topic, partition, time)
        [found] = reader.offsets_for_times([asked], lines.LIMIT_SECONDS)
        lines.write([lines.Found(partition, time, found.offset if found.offset >= 0 else None)])
    reader.close()


def admin(arguments):
    """Goes through the life of a topic and fails at the first answer that is not right."""
    client, topic = AdminClient({"bootstrap.servers": ",".join(arguments.brokers)}), arguments.topic
    cluster = client.describe_cluster().result()
    addresses = [f"{broker.host}:{broker.port}" for broker in cluster.nodes]
    assert cluster.cluster_id and sorted(addresses) == sorted(arguments.brokers), cluster
    ids = sorted(broker.id for broker in cluster.nodes)
    assert cluster.controller.id in ids, cluster

    wanted = NewTopic(topic, PARTITIONS, config={"retention.ms": RETENTION})
    create = lambda: client.create_topics([wanted])[topic].result()
    create()
    refuses(KafkaError.TOPIC_ALREADY_EXISTS, create)

    described = describe(client, topic, PARTITIONS)
    assert not described.is_internal and described.topic_id, described
    for partition in described.partitions:
        assert partition.leader.id in ids, partition
        for replicas in (partition.replicas, partition.isr):
            assert sorted(node.id for node in replicas) == ids, partition
    assert end_offset(client, TopicPartition(topic, 0)) == 0

    expect_config(client, topic, "retention.ms", RETENTION, ConfigSource.DYNAMIC_TOPIC_CONFIG)
    expect_config(client, topic, "cleanup.policy", "delete", ConfigSource.DEFAULT_CONFIG)
    of_broker = ConfigResource(ResourceType.BROKER, str(ids[0]))
    configs = client.describe_configs([of_broker])[of_broker].result()
    assert configs["num.partitions"].value == "3", configs["num.partitions"]

    delete = lambda: client.delete_topics([topic])[topic].result()
    delete()
    refuses(KafkaError.UNKNOWN_TOPIC_OR_PART, delete)
    check = lines.deadline()
    while topic in client.list_topics(timeout=lines.LIMIT_SECONDS).topics:
        check("the topic is still listed")


def alter(arguments):
    """Changes a topic and fails at the first answer that is not right."""
    client, topic = AdminClient({"bootstrap.servers": ",".join(arguments.brokers)}), arguments.topic
    client.create_topics([NewTopic(topic, PARTITIONS, config={"retention.ms": RETENTION})])[topic].result()
    describe(client, topic, PARTITIONS)
    more = lambda: client.create_partitions([NewPartitions(topic, PARTITIONS + 2)])[topic].result()
    more()
    describe(client, topic, PARTITIONS + 2)
    refuses(KafkaError.INVALID_PARTITIONS, more)

    # It replaces all that the topic has.
    change = ConfigResource(ResourceType.TOPIC, topic, set_config={"segment.bytes": "1048576"})
    client.alter_configs([change])[change].result()
    expect_config(client, topic, "segment.bytes", "1048576", ConfigSource.DYNAMIC_TOPIC_CONFIG)
    expect_config(client, topic, "retention.ms", "604800000", ConfigSource.DEFAULT_CONFIG)

    alter_configs(client, topic, [
        ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
        ConfigEntry("segment.bytes", None, incremental_operation=AlterConfigOpType.DELETE),
    ])
    expect_config(client, topic, "retention.ms", "3600000", ConfigSource.DYNAMIC_TOPIC_CONFIG)
    expect_config(client, topic, "cleanup.policy", "delete,compact", ConfigSource.DYNAMIC_TOPIC_CONFIG)
    expect_config(client, topic, "segment.bytes", "1073741824", ConfigSource.DEFAULT_CONFIG)
    alter_configs(client, topic, [
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SUBTRACT),
    ])
    expect_config(client, topic, "cleanup.policy", "delete", ConfigSource.DYNAMIC_TOPIC_CONFIG)

    producer = Producer({"bootstrap.servers": ",".join(arguments.brokers)})
    for number in range(10):
        producer.produce(topic, partition=1, value=b"%d" % number)
    assert producer.flush(lines.LIMIT_SECONDS) == 0
    [deleted] = client.delete_records([TopicPartition(topic, 1, 4)]).values()
    assert deleted.result().low_watermark == 4
    reader = consumer(arguments)
    watermarks = reader.get_watermark_offsets(TopicPartition(topic, 1), lines.LIMIT_SECONDS)
    assert watermarks == (4, 10), watermarks
    reader.close()


def describe(client, topic, partitions):
    """Waits for that many, since the broker that answers may be a moment behind its controller."""
    check = lines.deadline()
    while True:
        try:
            described = client.describe_topics(TopicCollection([topic]))[topic].result()
            if len(described.partitions) == partitions:
                return described
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
        check("the topic has not become what it was made")


def end_offset(client, partition):
    """Asks until the broker leads the partition, which it may say before it does."""
    check = lines.deadline()
    while True:
        try:
            return client.list_offsets({partition: OffsetSpec.latest()})[partition].result().offset
        except KafkaException as failure:
            if failure.args[0].code() not in (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART):
                raise
        check("the broker does not lead the partition")


def alter_configs(client, topic, entries):
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    client.incremental_alter_configs([change])[change].result()


def expect_config(client, topic, name, value, source):
    """Waits for the value, since the broker that answers may be a moment behind its controller."""
    check = lines.deadline()
    resource = ConfigResource(ResourceType.TOPIC, topic)
    while True:
        try:
            got = client.describe_configs([resource])[resource].result()[name]
            if (got.value, ConfigSource(got.source)) == (value, source):
                return
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            got = failure
        check(f"{name} is not {value} from {source}, but {got}")


def refuses(code, call):
    try:
        answer = call()
    except KafkaException as refused:
        assert refused.args[0].code() == code, refused
        return
    raise AssertionError(f"expected error {code}, got {answer}")


if __name__ == "__main__":
    lines.main(produce=produce, consume=consume, offsets=offsets, admin=admin, alter=alter)
