"""Lets the tests drive kafka-python."""

import lines
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from kafka.errors import InvalidPartitionsError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

PARTITIONS = 5
RETENTION = "86400000"


def produce(arguments):
    """Sends what it reads and prints each record as the broker acknowledged it, in input order."""
    settings = {"acks": {"all": "all", "leader": 1, "none": 0}[arguments.acks]}
    if arguments.codec != "default":
        settings["compression_type"] = None if arguments.codec == "none" else arguments.codec
    producer = KafkaProducer(
        bootstrap_servers=arguments.brokers,
        enable_idempotence=arguments.idempotent,
        # What it promises to keep in order, it does only with one request at a time.
        max_in_flight_requests_per_connection=5 if arguments.idempotent else 1,
        linger_ms=5,
        **settings,
    )
    records = lines.read()
    futures = [
        producer.send(
            arguments.topic,
            partition=record.partition,
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
        for record in records
    ]
    for record, future in zip(records, futures):
        acknowledged = future.get(lines.LIMIT_SECONDS)
        record.partition = acknowledged.partition
        record.offset = acknowledged.offset
        record.timestamp = acknowledged.timestamp
    producer.close()
    lines.write(records)


def consumer(arguments):
    return KafkaConsumer(bootstrap_servers=arguments.brokers, enable_auto_commit=False)


def partitions_of(reader, topic):
    return [TopicPartition(topic, partition) for partition in sorted(reader.partitions_for_topic(topic))]


def consume(arguments):
    """Reads without a group until it has as many records as it is asked for."""
    check = lines.deadline()
    reader = consumer(arguments)
    if arguments.starts is None:
        reader.assign(partitions_of(reader, arguments.topic))
        reader.seek_to_beginning()
    else:
        reader.assign([TopicPartition(arguments.topic, partition) for partition, _ in arguments.starts])
        for partition, offset in arguments.starts:
            reader.seek(TopicPartition(arguments.topic, partition), offset)
    records = []
    while len(records) < arguments.count:
        check(f"{len(records)} of {arguments.count} records")
        for polled in reader.poll(timeout_ms=1000).values():
            records.extend(record(message) for message in polled)
    reader.close()
    lines.write(records)


def record(message):
    return lines.Record(
        partition=message.partition,
        offset=message.offset,
        timestamp=message.timestamp,
        key=message.key,
        value=message.value,
        headers=list(message.headers),
    )


def offsets(arguments):
    """Prints where each partition starts and ends, then what it finds at timestamps."""
    reader = consumer(arguments)
    partitions = partitions_of(reader, arguments.topic)
    starts, ends = reader.beginning_offsets(partitions), reader.end_offsets(partitions)
    lines.write(lines.Ends(it.partition, starts[it], ends[it]) for it in partitions)
    for partition, timestamp in arguments.at:
        asked = TopicPartition(arguments.topic, partition)
        found = reader.offsets_for_times({asked: timestamp})[asked]
        lines.write([lines.Found(partition, timestamp, found and found.offset)])
    reader.close()


def admin(arguments):
    """Goes through the life of a topic and fails at the first answer that is not right."""
    client, topic = KafkaAdminClient(bootstrap_servers=arguments.brokers), arguments.topic
    cluster = client.describe_cluster()
    addresses = [f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]]
    assert cluster["cluster_id"] and sorted(addresses) == sorted(arguments.brokers), cluster
    ids = sorted(broker["broker_id"] for broker in cluster["brokers"])
    assert cluster["controller_id"] in ids, cluster

    wanted = {topic: {"num_partitions": PARTITIONS, "configs": {"retention.ms": RETENTION}}}
    created = client.create_topics(wanted)["topics"][0]
    assert created["num_partitions"] == PARTITIONS and created["replication_factor"] == len(ids), created
    refuses(TopicAlreadyExistsError, lambda: client.create_topics(wanted))

    described = describe(client, topic, PARTITIONS)
    assert described["topic_id"] == created["topic_id"] and not described["is_internal"], described
    for partition in described["partitions"]:
        assert partition["error_code"] == 0 and partition["leader_id"] in ids, partition
        assert partition["leader_epoch"] >= 0, partition
        assert sorted(partition["replica_nodes"]) == sorted(partition["isr_nodes"]) == ids, partition
    check = lines.deadline()
    while topic not in client.list_topics():
        check("the topic is not listed")

    expect_config(client, topic, "retention.ms", RETENTION, "DYNAMIC_TOPIC_CONFIG")
    expect_config(client, topic, "cleanup.policy", "delete", "DEFAULT_CONFIG")
    of_broker = ConfigResource("BROKER", str(ids[0]), ["num.partitions"])
    configs = client.describe_configs([of_broker], config_filter="all")["broker"]
    assert configs[str(ids[0])]["num.partitions"]["value"] == "3", configs

    client.delete_topics([topic])
    refuses(UnknownTopicOrPartitionError, lambda: client.delete_topics([topic]))
    check = lines.deadline()
    while topic in client.list_topics():
        check("the topic is still listed")


def alter(arguments):
    """Changes a topic and fails at the first answer that is not right."""
    client, topic = KafkaAdminClient(bootstrap_servers=arguments.brokers), arguments.topic
    configs = {"retention.ms": RETENTION}
    client.create_topics({topic: {"num_partitions": PARTITIONS, "configs": configs}}, wait_for_metadata=True)
    client.create_partitions({topic: PARTITIONS + 2})
    describe(client, topic, PARTITIONS + 2)
    refuses(InvalidPartitionsError, lambda: client.create_partitions({topic: PARTITIONS + 2}))

    change = {
        "retention.ms": "3600000",
        "cleanup.policy": ("APPEND", "compact"),
        "segment.bytes": "1048576",
    }
    alter_configs(client, topic, change)
    expect_config(client, topic, "retention.ms", "3600000", "DYNAMIC_TOPIC_CONFIG")
    expect_config(client, topic, "cleanup.policy", "delete,compact", "DYNAMIC_TOPIC_CONFIG")
    expect_config(client, topic, "segment.bytes", "1048576", "DYNAMIC_TOPIC_CONFIG")
    change = {"cleanup.policy": ("SUBTRACT", "compact"), "segment.bytes": ("DELETE", None)}
    alter_configs(client, topic, change)
    expect_config(client, topic, "cleanup.policy", "delete", "DYNAMIC_TOPIC_CONFIG")
    expect_config(client, topic, "segment.bytes", "1073741824", "DEFAULT_CONFIG")
    # The old request keeps what the client knows to be set.
    alter_configs(client, topic, {"segment.bytes": "2097152"}, incremental=False)
    expect_config(client, topic, "segment.bytes", "2097152", "DYNAMIC_TOPIC_CONFIG")
    expect_config(client, topic, "retention.ms", "3600000", "DYNAMIC_TOPIC_CONFIG")
    listed = client.list_config_resources(["TOPIC"])
    assert topic in listed["topic"], listed

    producer = KafkaProducer(bootstrap_servers=arguments.brokers)
    for number in range(10):
        producer.send(topic, partition=1, value=b"%d" % number).get(lines.LIMIT_SECONDS)
    producer.close()
    deleted = TopicPartition(topic, 1)
    client.delete_records({deleted: 4})
    reader = consumer(arguments)
    starts = reader.beginning_offsets([deleted])
    assert starts == {deleted: 4}, starts
    reader.close()


def describe(client, topic, partitions):
    """Waits for that many, since the broker that answers may be a moment behind its controller."""
    check = lines.deadline()
    described = client.describe_topics([topic])[0]
    while len(described["partitions"]) != partitions:
        check(described)
        described = client.describe_topics([topic])[0]
    assert described["error_code"] == 0, described
    return described


def alter_configs(client, topic, change, **how):
    answer = client.alter_configs([ConfigResource("TOPIC", topic, change)], **how)
    assert answer == {"topic": {topic: "OK"}}, answer


def expect_config(client, topic, name, value, source):
    """Waits for the value, since the broker that answers may be a moment behind its controller."""
    check = lines.deadline()
    while True:
        try:
            configs = client.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
            got = configs["topic"][topic][name]
            if (got["value"], got["config_source"]) == (value, source):
                return
        except UnknownTopicOrPartitionError as refused:
            got = refused
        check(f"not {value} from {source}, but {got}")


def refuses(error, call):
    try:
        answer = call()
    except error:
        return
    raise AssertionError(f"expected {error.__name__}, got {answer}")


if __name__ == "__main__":
    lines.main(produce=produce, consume=consume, offsets=offsets, admin=admin, alter=alter)
