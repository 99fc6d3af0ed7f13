package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"holdfast.io/tests/clients/go/lines"
)

const (
	partitions = 5
	retention  = "86400000"
)

// topicAdmin asks about one topic.
type topicAdmin struct {
	sarama.ClusterAdmin
	options *lines.Options
	topic   string
}

func newTopicAdmin(options *lines.Options) (*topicAdmin, error) {
	admin, err := sarama.NewClusterAdmin(options.Brokers, config())
	if err != nil {
		return nil, err
	}
	return &topicAdmin{admin, options, options.Topic}, nil
}

// admin goes through the life of a topic and fails at the first answer that is not right.
func admin(ctx context.Context, options *lines.Options) error {
	admin, err := newTopicAdmin(options)
	if err != nil {
		return err
	}
	defer admin.Close()
	return lines.Steps([]lines.Step{
		{Name: "describe cluster", Do: admin.describeCluster},
		{Name: "create topic", Do: admin.createTopic},
		{Name: "create topic again", Do: admin.createTopicAgain},
		{Name: "describe topic", Do: func() error { return admin.describeTopic(ctx, partitions) }},
		{Name: "list topics", Do: func() error { return admin.listTopics(ctx) }},
		{Name: "describe topic configs", Do: func() error { return admin.describeTopicConfigs(ctx) }},
		{Name: "describe broker configs", Do: admin.describeBrokerConfigs},
		{Name: "delete topic", Do: func() error { return admin.deleteTopic(ctx) }},
	})
}

// alter changes a topic and fails at the first answer that is not right.
func alter(ctx context.Context, options *lines.Options) error {
	admin, err := newTopicAdmin(options)
	if err != nil {
		return err
	}
	defer admin.Close()
	return lines.Steps([]lines.Step{
		{Name: "create topic", Do: admin.createTopic},
		{Name: "create partitions", Do: func() error { return admin.createPartitions(ctx) }},
		{Name: "alter configs", Do: func() error { return admin.alterConfigs(ctx) }},
		{Name: "incremental alter configs", Do: func() error { return admin.incrementalAlterConfigs(ctx) }},
		{Name: "delete records", Do: func() error { return admin.deleteRecords(ctx) }},
	})
}

func (a *topicAdmin) describeCluster() error {
	brokers, controller, err := a.DescribeCluster()
	if err != nil {
		return err
	}
	var addresses []string
	for _, broker := range brokers {
		addresses = append(addresses, broker.Addr())
	}
	slices.Sort(addresses)
	expected := slices.Sorted(slices.Values(a.options.Brokers))
	isController := func(broker *sarama.Broker) bool { return broker.ID() == controller }
	if !slices.Equal(addresses, expected) || !slices.ContainsFunc(brokers, isController) {
		return fmt.Errorf("unexpected brokers %v, controller %d", addresses, controller)
	}
	return nil
}

func (a *topicAdmin) createTopic() error {
	value := retention
	return a.CreateTopic(a.topic, &sarama.TopicDetail{
		NumPartitions:     partitions,
		ReplicationFactor: -1,
		ConfigEntries:     map[string]*string{"retention.ms": &value},
	}, false)
}

func (a *topicAdmin) createTopicAgain() error {
	err := a.CreateTopic(a.topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: -1}, false)
	if !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("expected TOPIC_ALREADY_EXISTS, got %v", err)
	}
	return nil
}

// describeTopic waits for that many partitions, since the broker that answers may be a moment
// behind its controller.
func (a *topicAdmin) describeTopic(ctx context.Context, count int) error {
	var topic *sarama.TopicMetadata
	for topic == nil || errors.Is(topic.Err, sarama.ErrUnknownTopicOrPartition) || len(topic.Partitions) != count {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w, and still %+v", err, topic)
		}
		topics, err := a.DescribeTopics([]string{a.topic})
		if err != nil {
			return err
		}
		topic = topics[0]
	}
	if topic.Err != sarama.ErrNoError || topic.IsInternal || topic.Uuid == (sarama.Uuid{}) {
		return fmt.Errorf("unexpected topic %+v", topic)
	}
	for _, p := range topic.Partitions {
		count := len(a.options.Brokers)
		if p.Err != sarama.ErrNoError || p.LeaderEpoch < 0 || len(p.Replicas) != count || len(p.Isr) != count || !slices.Contains(p.Isr, p.Leader) {
			return fmt.Errorf("unexpected partition %+v", p)
		}
	}
	return nil
}

// listTopics waits for it too: another broker may answer.
func (a *topicAdmin) listTopics(ctx context.Context) error {
	topics, err := a.ListTopics()
	for err == nil && ctx.Err() == nil && topics[a.topic].ConfigEntries == nil {
		topics, err = a.ListTopics()
	}
	if err != nil {
		return err
	}
	topic := topics[a.topic]
	if topic.NumPartitions != partitions || int(topic.ReplicationFactor) != len(a.options.Brokers) {
		return fmt.Errorf("unexpected topic %+v", topic)
	}
	if value := topic.ConfigEntries["retention.ms"]; value == nil || *value != retention {
		return fmt.Errorf("unexpected configs %v", topic.ConfigEntries)
	}
	return nil
}

func (a *topicAdmin) describeTopicConfigs(ctx context.Context) error {
	if err := a.expectConfig(ctx, "retention.ms", retention, sarama.SourceTopic); err != nil {
		return err
	}
	return a.expectConfig(ctx, "cleanup.policy", "delete", sarama.SourceDefault)
}

// expectConfig waits for the value, since the broker that answers may be a moment behind its
// controller.
func (a *topicAdmin) expectConfig(ctx context.Context, name, value string, source sarama.ConfigSource) error {
	var got sarama.ConfigEntry
	var refused error
	for ctx.Err() == nil {
		var entries []sarama.ConfigEntry
		entries, refused = a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: a.topic})
		for _, entry := range entries {
			if entry.Name == name {
				got = entry
			}
		}
		if got.Value == value && got.Source == source {
			return nil
		}
	}
	return errors.Join(refused, fmt.Errorf("unexpected %s: %q from %v", name, got.Value, got.Source))
}

func (a *topicAdmin) describeBrokerConfigs() error {
	_, controller, err := a.DescribeCluster()
	if err != nil {
		return err
	}
	broker := sarama.ConfigResource{
		Type:        sarama.BrokerResource,
		Name:        strconv.Itoa(int(controller)),
		ConfigNames: []string{"num.partitions"},
	}
	entries, err := a.DescribeConfig(broker)
	if err != nil {
		return err
	}
	if len(entries) != 1 || entries[0].Value != "3" {
		return fmt.Errorf("unexpected configs %+v", entries)
	}
	return nil
}

func (a *topicAdmin) deleteTopic(ctx context.Context) error {
	if err := a.DeleteTopic(a.topic); err != nil {
		return err
	}
	if err := a.DeleteTopic(a.topic); !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return fmt.Errorf("the second time: expected UNKNOWN_TOPIC_OR_PARTITION, got %v", err)
	}
	for ctx.Err() == nil {
		topics, err := a.DescribeTopics([]string{a.topic})
		if err != nil {
			return err
		}
		if errors.Is(topics[0].Err, sarama.ErrUnknownTopicOrPartition) {
			return nil
		}
	}
	return ctx.Err()
}

func (a *topicAdmin) createPartitions(ctx context.Context) error {
	if err := a.CreatePartitions(a.topic, partitions+2, nil, false); err != nil {
		return err
	}
	if err := a.CreatePartitions(a.topic, partitions+2, nil, false); !errors.Is(err, sarama.ErrInvalidPartitions) {
		return fmt.Errorf("the second time: expected INVALID_PARTITIONS, got %v", err)
	}
	return a.describeTopic(ctx, partitions+2)
}

// alterConfigs replaces all that the topic has.
func (a *topicAdmin) alterConfigs(ctx context.Context) error {
	size := "1048576"
	if err := a.AlterConfig(sarama.TopicResource, a.topic, map[string]*string{"segment.bytes": &size}, false); err != nil {
		return err
	}
	if err := a.expectConfig(ctx, "segment.bytes", size, sarama.SourceTopic); err != nil {
		return err
	}
	return a.expectConfig(ctx, "retention.ms", "604800000", sarama.SourceDefault)
}

func (a *topicAdmin) incrementalAlterConfigs(ctx context.Context) error {
	value, compact, remove := "3600000", "compact", "delete"
	changes := []map[string]sarama.IncrementalAlterConfigsEntry{
		{
			"retention.ms":   {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
			"cleanup.policy": {Operation: sarama.IncrementalAlterConfigsOperationAppend, Value: &compact},
			"segment.bytes":  {Operation: sarama.IncrementalAlterConfigsOperationDelete},
		},
		{"cleanup.policy": {Operation: sarama.IncrementalAlterConfigsOperationSubtract, Value: &remove}},
	}
	for _, change := range changes {
		if err := a.IncrementalAlterConfig(sarama.TopicResource, a.topic, change, false); err != nil {
			return err
		}
	}
	return errors.Join(
		a.expectConfig(ctx, "retention.ms", value, sarama.SourceTopic),
		a.expectConfig(ctx, "cleanup.policy", compact, sarama.SourceTopic),
		a.expectConfig(ctx, "segment.bytes", "1073741824", sarama.SourceDefault),
		// A compacted topic takes no record without a key, and the next step sends some.
		a.IncrementalAlterConfig(sarama.TopicResource, a.topic, map[string]sarama.IncrementalAlterConfigsEntry{
			"cleanup.policy": {Operation: sarama.IncrementalAlterConfigsOperationDelete},
		}, false),
	)
}

func (a *topicAdmin) deleteRecords(ctx context.Context) error {
	config, err := producerConfig(&lines.Options{Codec: "none", Acks: "all"})
	if err != nil {
		return err
	}
	client, err := sarama.NewClient(a.options.Brokers, config)
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	defer producer.Close()
	for i := range 10 {
		message := &sarama.ProducerMessage{Topic: a.topic, Partition: 1, Value: sarama.StringEncoder(strconv.Itoa(i)), Timestamp: time.Now()}
		_, _, err := producer.SendMessage(message)
		// The log may be told a moment after who describes its settings that it is not compacted any more.
		for errors.Is(err, sarama.ErrInvalidRecord) && i == 0 && ctx.Err() == nil {
			_, _, err = producer.SendMessage(message)
		}
		if err != nil {
			return err
		}
	}
	if err := a.DeleteRecords(a.topic, map[int32]int64{1: 4}); err != nil {
		return err
	}
	start, err := client.GetOffset(a.topic, 1, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	if start != 4 {
		return fmt.Errorf("the partition starts at %d", start)
	}
	return nil
}
