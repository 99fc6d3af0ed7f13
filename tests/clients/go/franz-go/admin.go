package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"holdfast.io/tests/clients/go/lines"
)

const (
	partitions = 5
	retention  = "86400000"
)

// admin goes through the life of a topic by kadm and fails at the first answer that is not right.
func admin(ctx context.Context, options *lines.Options) error {
	return steps(ctx, options, []step{
		{"describe cluster", describeCluster},
		{"create topic", createTopic},
		{"create topic again", createTopicAgain},
		{"describe topic", describeTopic},
		{"describe topic configs", describeTopicConfigs},
		{"describe broker configs", describeBrokerConfigs},
		{"list offsets", listOffsets},
		{"delete topic", deleteTopic},
	})
}

// step is given what it needs to ask about a topic.
type step struct {
	name string
	do   func(context.Context, *kgo.Client, *kadm.Client, string) error
}

func steps(ctx context.Context, options *lines.Options, all []step) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(options.Brokers...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	adm := kadm.NewClient(client)

	var bound []lines.Step
	for _, step := range all {
		do := func() error { return step.do(ctx, client, adm, options.Topic) }
		bound = append(bound, lines.Step{Name: step.name, Do: do})
	}
	return lines.Steps(bound)
}

// brokers is how many the client was told of. By default a topic has a replica on each.
func brokers(client *kgo.Client) int {
	return len(client.OptValue(kgo.SeedBrokers).([]string))
}

func describeCluster(ctx context.Context, client *kgo.Client, adm *kadm.Client, _ string) error {
	meta, err := adm.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if meta.Cluster == "" || len(meta.Brokers) != brokers(client) || !slices.Contains(meta.Brokers.NodeIDs(), meta.Controller) {
		return fmt.Errorf("unexpected cluster %+v", meta)
	}
	return nil
}

func createTopic(ctx context.Context, client *kgo.Client, adm *kadm.Client, topic string) error {
	value := retention
	configs := map[string]*string{"retention.ms": &value}
	created, err := adm.CreateTopic(ctx, partitions, -1, configs, topic)
	if err != nil {
		return err
	}
	if created.NumPartitions != partitions || int(created.ReplicationFactor) != brokers(client) || created.ID == (kadm.TopicID{}) {
		return fmt.Errorf("unexpected answer %+v", created)
	}
	return nil
}

func createTopicAgain(ctx context.Context, _ *kgo.Client, adm *kadm.Client, topic string) error {
	if _, err := adm.CreateTopic(ctx, partitions, -1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("expected TOPIC_ALREADY_EXISTS, got %v", err)
	}
	return nil
}

func describeTopic(ctx context.Context, client *kgo.Client, adm *kadm.Client, topic string) error {
	topics, err := adm.ListTopics(ctx, topic)
	// The broker that answers may be a moment behind its controller.
	for err == nil && errors.Is(topics.Error(), kerr.UnknownTopicOrPartition) {
		topics, err = adm.ListTopics(ctx, topic)
	}
	if err != nil {
		return err
	}
	if err := topics.Error(); err != nil {
		return err
	}
	detail := topics[topic]
	if len(detail.Partitions) != partitions || detail.IsInternal {
		return fmt.Errorf("unexpected topic %+v", detail)
	}
	count := brokers(client)
	for number, p := range detail.Partitions {
		if p.LeaderEpoch < 0 || len(p.Replicas) != count || len(p.ISR) != count || !slices.Contains(p.ISR, p.Leader) {
			return fmt.Errorf("unexpected partition %d: %+v", number, p)
		}
	}
	return nil
}

func describeTopicConfigs(ctx context.Context, _ *kgo.Client, adm *kadm.Client, topic string) error {
	return errors.Join(
		expectConfig(ctx, adm, topic, "retention.ms", retention, "DYNAMIC_TOPIC_CONFIG"),
		expectConfig(ctx, adm, topic, "cleanup.policy", "delete", "DEFAULT_CONFIG"),
	)
}

func describeBrokerConfigs(ctx context.Context, _ *kgo.Client, adm *kadm.Client, _ string) error {
	brokers, err := adm.ListBrokers(ctx)
	if err != nil {
		return err
	}
	resources, err := adm.DescribeBrokerConfigs(ctx, brokers.NodeIDs()...)
	if err != nil {
		return err
	}
	for _, resource := range resources {
		if resource.Err != nil {
			return resource.Err
		}
		for _, config := range resource.Configs {
			if config.Key == "num.partitions" && config.MaybeValue() == "3" {
				return nil
			}
		}
	}
	return fmt.Errorf("no num.partitions=3 among the broker's configs")
}

func listOffsets(ctx context.Context, client *kgo.Client, adm *kadm.Client, topic string) error {
	base := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	for i := range 10 {
		r := &kgo.Record{
			Topic:     topic,
			Partition: 1,
			Timestamp: base.Add(time.Duration(i) * time.Second),
			Value:     []byte{byte(i)},
		}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	at := func(listed kadm.ListedOffsets, err error, partition int32, offset, timestamp int64) error {
		if err == nil {
			err = listed.Error()
		}
		if err != nil {
			return err
		}
		got, ok := listed.Lookup(topic, partition)
		if !ok || got.Offset != offset || got.Timestamp != timestamp {
			return fmt.Errorf("partition %d: expected offset %d and timestamp %d, got %+v", partition, offset, timestamp, got)
		}
		return nil
	}
	start, startErr := adm.ListStartOffsets(ctx, topic)
	end, endErr := adm.ListEndOffsets(ctx, topic)
	committed, committedErr := adm.ListCommittedOffsets(ctx, topic)
	// Between the third and the fourth record: the fourth is the first that is not older.
	between := base.Add(2500 * time.Millisecond).UnixMilli()
	middle, middleErr := adm.ListOffsetsAfterMilli(ctx, between, topic)
	largest, largestErr := adm.ListMaxTimestampOffsets(ctx, topic)
	return errors.Join(
		at(start, startErr, 1, 0, -1),
		at(end, endErr, 0, 0, -1),
		at(end, endErr, 1, 10, -1),
		at(committed, committedErr, 1, 10, -1),
		at(middle, middleErr, 1, 3, base.Add(3*time.Second).UnixMilli()),
		at(largest, largestErr, 1, 9, base.Add(9*time.Second).UnixMilli()),
	)
}

func deleteTopic(ctx context.Context, _ *kgo.Client, adm *kadm.Client, topic string) error {
	if _, err := adm.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	if _, err := adm.DeleteTopic(ctx, topic); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("the second time: expected UNKNOWN_TOPIC_OR_PARTITION, got %v", err)
	}
	// The broker that answers may be a moment behind its controller.
	for {
		topics, err := adm.ListTopics(ctx)
		if err != nil {
			return err
		}
		if !topics.Has(topic) {
			return nil
		}
	}
}
