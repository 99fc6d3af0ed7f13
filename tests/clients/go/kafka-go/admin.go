package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"
	"holdfast.io/tests/clients/go/lines"
)

const (
	partitions = 5
	retention  = "86400000"
	// As DescribeConfigs numbers them.
	dynamicTopicConfig = 1
	defaultConfig      = 5
)

// topicAdmin asks about one topic.
type topicAdmin struct {
	*kafka.Client
	options *lines.Options
	topic   string
}

func newTopicAdmin(options *lines.Options) *topicAdmin {
	return &topicAdmin{&kafka.Client{Addr: kafka.TCP(options.Brokers...)}, options, options.Topic}
}

// admin goes through the life of a topic and fails at the first answer that is not right.
func admin(ctx context.Context, options *lines.Options) error {
	admin := newTopicAdmin(options)
	return lines.Steps([]lines.Step{
		{Name: "describe cluster", Do: func() error { return admin.describeCluster(ctx) }},
		{Name: "create topic", Do: func() error { return admin.createTopic(ctx) }},
		{Name: "create topic again", Do: func() error { return admin.createTopicAgain(ctx) }},
		{Name: "describe topic", Do: func() error { return admin.describeTopic(ctx, partitions) }},
		{Name: "describe topic configs", Do: func() error { return admin.describeTopicConfigs(ctx) }},
		{Name: "describe broker configs", Do: func() error { return admin.describeBrokerConfigs(ctx) }},
		{Name: "delete topic", Do: func() error { return admin.deleteTopic(ctx) }},
	})
}

// alter changes a topic and fails at the first answer that is not right.
func alter(ctx context.Context, options *lines.Options) error {
	admin := newTopicAdmin(options)
	return lines.Steps([]lines.Step{
		{Name: "create topic", Do: func() error { return admin.createTopic(ctx) }},
		{Name: "create partitions", Do: func() error { return admin.createPartitions(ctx) }},
		{Name: "alter configs", Do: func() error { return admin.alterConfigs(ctx) }},
		{Name: "incremental alter configs", Do: func() error { return admin.incrementalAlterConfigs(ctx) }},
	})
}

func (a *topicAdmin) describeCluster(ctx context.Context) error {
	metadata, err := a.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	if metadata.ClusterID == "" || !slices.Contains(metadata.Brokers, metadata.Controller) {
		return fmt.Errorf("unexpected cluster %+v", metadata)
	}
	var addresses []string
	for _, broker := range metadata.Brokers {
		addresses = append(addresses, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
	}
	slices.Sort(addresses)
	if expected := slices.Sorted(slices.Values(a.options.Brokers)); !slices.Equal(addresses, expected) {
		return fmt.Errorf("unexpected addresses %v", addresses)
	}
	return nil
}

func (a *topicAdmin) create(ctx context.Context) (error, error) {
	created, err := a.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic:             a.topic,
		NumPartitions:     partitions,
		ReplicationFactor: len(a.options.Brokers),
		ConfigEntries:     []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: retention}},
	}}})
	if err != nil {
		return nil, err
	}
	return created.Errors[a.topic], nil
}

func (a *topicAdmin) createTopic(ctx context.Context) error {
	refused, err := a.create(ctx)
	return errors.Join(refused, err)
}

func (a *topicAdmin) createTopicAgain(ctx context.Context) error {
	refused, err := a.create(ctx)
	if err != nil {
		return err
	}
	if !errors.Is(refused, kafka.TopicAlreadyExists) {
		return fmt.Errorf("expected TOPIC_ALREADY_EXISTS, got %v", refused)
	}
	return nil
}

func (a *topicAdmin) describe(ctx context.Context) (kafka.Topic, error) {
	metadata, err := a.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{a.topic}})
	if err != nil {
		return kafka.Topic{}, err
	}
	return metadata.Topics[0], nil
}

// describeTopic waits for that many partitions, since the broker that answers may be a moment
// behind its controller, and the client keeps what it was told for some seconds.
func (a *topicAdmin) describeTopic(ctx context.Context, count int) error {
	var topic kafka.Topic
	for topic.Name == "" || errors.Is(topic.Error, kafka.UnknownTopicOrPartition) || len(topic.Partitions) != count {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w, and still %+v", err, topic)
		}
		described, err := a.describe(ctx)
		if err != nil {
			return err
		}
		topic = described
	}
	if topic.Error != nil || topic.Internal {
		return fmt.Errorf("unexpected topic %+v", topic)
	}
	for _, p := range topic.Partitions {
		count := len(a.options.Brokers)
		if p.Error != nil || len(p.Replicas) != count || len(p.Isr) != count || !slices.Contains(p.Isr, p.Leader) {
			return fmt.Errorf("unexpected partition %+v", p)
		}
	}
	return nil
}

func (a *topicAdmin) describeTopicConfigs(ctx context.Context) error {
	return errors.Join(
		a.expectConfig(ctx, "retention.ms", retention, dynamicTopicConfig),
		a.expectConfig(ctx, "cleanup.policy", "delete", defaultConfig),
	)
}

// expectConfig waits for the value, since the broker that answers may be a moment behind its
// controller.
func (a *topicAdmin) expectConfig(ctx context.Context, name, value string, source int8) error {
	var got kafka.DescribeConfigResponseConfigEntry
	var refused error
	for ctx.Err() == nil {
		var entry kafka.DescribeConfigResponseConfigEntry
		entry, refused = a.config(ctx, kafka.ResourceTypeTopic, a.topic, name)
		if entry.ConfigValue == value && entry.ConfigSource == source {
			return nil
		}
		got = entry
	}
	return errors.Join(refused, fmt.Errorf("unexpected %s: %q from %d", name, got.ConfigValue, got.ConfigSource))
}

func (a *topicAdmin) config(ctx context.Context, kind kafka.ResourceType, resource, name string) (kafka.DescribeConfigResponseConfigEntry, error) {
	var none kafka.DescribeConfigResponseConfigEntry
	described, err := a.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kind, ResourceName: resource}},
	})
	if err != nil {
		return none, err
	}
	if err := described.Resources[0].Error; err != nil {
		return none, err
	}
	for _, entry := range described.Resources[0].ConfigEntries {
		if entry.ConfigName == name {
			return entry, nil
		}
	}
	return none, fmt.Errorf("no %s among the configs of %s", name, resource)
}

func (a *topicAdmin) describeBrokerConfigs(ctx context.Context) error {
	metadata, err := a.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	entry, err := a.config(ctx, kafka.ResourceTypeBroker, strconv.Itoa(metadata.Controller.ID), "num.partitions")
	if err != nil {
		return err
	}
	if entry.ConfigValue != "3" {
		return fmt.Errorf("unexpected num.partitions: %q", entry.ConfigValue)
	}
	return nil
}

func (a *topicAdmin) deleteTopic(ctx context.Context) error {
	remove := func() (error, error) {
		deleted, err := a.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{a.topic}})
		if err != nil {
			return nil, err
		}
		return deleted.Errors[a.topic], nil
	}
	if refused, err := remove(); refused != nil || err != nil {
		return errors.Join(refused, err)
	}
	if refused, err := remove(); !errors.Is(refused, kafka.UnknownTopicOrPartition) {
		return fmt.Errorf("the second time: expected UNKNOWN_TOPIC_OR_PARTITION, got %v, %v", refused, err)
	}
	for ctx.Err() == nil {
		topic, err := a.describe(ctx)
		if err != nil {
			return err
		}
		if errors.Is(topic.Error, kafka.UnknownTopicOrPartition) {
			return nil
		}
	}
	return ctx.Err()
}

func (a *topicAdmin) createPartitions(ctx context.Context) error {
	add := func() (error, error) {
		created, err := a.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
			Topics: []kafka.TopicPartitionsConfig{{Name: a.topic, Count: partitions + 2}},
		})
		if err != nil {
			return nil, err
		}
		return created.Errors[a.topic], nil
	}
	if refused, err := add(); refused != nil || err != nil {
		return errors.Join(refused, err)
	}
	if refused, err := add(); !errors.Is(refused, kafka.InvalidPartitionNumber) {
		return fmt.Errorf("the second time: expected INVALID_PARTITIONS, got %v, %v", refused, err)
	}
	return a.describeTopic(ctx, partitions+2)
}

// alterConfigs replaces all that the topic has.
func (a *topicAdmin) alterConfigs(ctx context.Context) error {
	altered, err := a.AlterConfigs(ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic,
		ResourceName: a.topic,
		Configs:      []kafka.AlterConfigRequestConfig{{Name: "segment.bytes", Value: "1048576"}},
	}}})
	if err != nil {
		return err
	}
	for _, err := range altered.Errors {
		if err != nil {
			return err
		}
	}
	return errors.Join(
		a.expectConfig(ctx, "segment.bytes", "1048576", dynamicTopicConfig),
		a.expectConfig(ctx, "retention.ms", "604800000", defaultConfig),
	)
}

func (a *topicAdmin) incrementalAlterConfigs(ctx context.Context) error {
	changes := [][]kafka.IncrementalAlterConfigsRequestConfig{
		{
			{Name: "retention.ms", Value: "3600000", ConfigOperation: kafka.ConfigOperationSet},
			{Name: "cleanup.policy", Value: "compact", ConfigOperation: kafka.ConfigOperationAppend},
			{Name: "segment.bytes", ConfigOperation: kafka.ConfigOperationDelete},
		},
		{{Name: "cleanup.policy", Value: "delete", ConfigOperation: kafka.ConfigOperationSubtract}},
	}
	for _, change := range changes {
		altered, err := a.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{
				ResourceType: kafka.ResourceTypeTopic,
				ResourceName: a.topic,
				Configs:      change,
			}},
		})
		if err != nil {
			return err
		}
		if err := altered.Resources[0].Error; err != nil {
			return err
		}
	}
	return errors.Join(
		a.expectConfig(ctx, "retention.ms", "3600000", dynamicTopicConfig),
		a.expectConfig(ctx, "cleanup.policy", "compact", dynamicTopicConfig),
		a.expectConfig(ctx, "segment.bytes", "1073741824", defaultConfig),
	)
}
