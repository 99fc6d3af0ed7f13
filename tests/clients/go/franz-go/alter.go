package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"holdfast.io/tests/clients/go/lines"
)

// alter changes a topic by kadm and fails at the first answer that is not right.
func alter(ctx context.Context, options *lines.Options) error {
	return steps(ctx, options, []step{
		{"create topic", createTopic},
		{"create partitions", createPartitions},
		{"alter configs", alterConfigs},
		{"incremental alter configs", incrementalAlterConfigs},
		{"delete records", deleteRecords},
	})
}

func createPartitions(ctx context.Context, _ *kgo.Client, adm *kadm.Client, topic string) error {
	created, err := adm.UpdatePartitions(ctx, partitions+2, topic)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return err
	}
	again, err := adm.UpdatePartitions(ctx, partitions+2, topic)
	if err != nil {
		return err
	}
	if err := again.Error(); !errors.Is(err, kerr.InvalidPartitions) {
		return fmt.Errorf("the second time: expected INVALID_PARTITIONS, got %v", err)
	}
	// The broker that answers may be a moment behind its controller.
	for ctx.Err() == nil {
		topics, err := adm.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		if len(topics[topic].Partitions) == partitions+2 {
			return topics.Error()
		}
	}
	return ctx.Err()
}

// alterConfigs replaces all that the topic has.
func alterConfigs(ctx context.Context, _ *kgo.Client, adm *kadm.Client, topic string) error {
	altered, err := adm.AlterTopicConfigsState(ctx, []kadm.AlterConfig{
		{Name: "segment.bytes", Value: kadm.StringPtr("1048576")},
	}, topic)
	if err != nil {
		return err
	}
	if _, err := altered.On(topic, failure); err != nil {
		return err
	}
	return errors.Join(
		expectConfig(ctx, adm, topic, "segment.bytes", "1048576", "DYNAMIC_TOPIC_CONFIG"),
		expectConfig(ctx, adm, topic, "retention.ms", "604800000", "DEFAULT_CONFIG"),
	)
}

func incrementalAlterConfigs(ctx context.Context, _ *kgo.Client, adm *kadm.Client, topic string) error {
	changes := [][]kadm.AlterConfig{
		{
			{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("3600000")},
			{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")},
			{Op: kadm.DeleteConfig, Name: "segment.bytes"},
		},
		{{Op: kadm.SubtractConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")}},
	}
	expected := []string{"delete,compact", "delete"}
	for i, change := range changes {
		altered, err := adm.AlterTopicConfigs(ctx, change, topic)
		if err != nil {
			return err
		}
		if _, err := altered.On(topic, failure); err != nil {
			return err
		}
		if err := expectConfig(ctx, adm, topic, "cleanup.policy", expected[i], "DYNAMIC_TOPIC_CONFIG"); err != nil {
			return err
		}
	}
	return errors.Join(
		expectConfig(ctx, adm, topic, "retention.ms", "3600000", "DYNAMIC_TOPIC_CONFIG"),
		expectConfig(ctx, adm, topic, "segment.bytes", "1073741824", "DEFAULT_CONFIG"),
	)
}

func failure(altered *kadm.AlterConfigsResponse) error { return altered.Err }

// expectConfig waits for the value, since the broker that answers may be a moment behind its
// controller.
func expectConfig(ctx context.Context, adm *kadm.Client, topic, name, value, source string) error {
	var got kadm.Config
	var refused error
	for ctx.Err() == nil {
		resources, err := adm.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			return err
		}
		resource, err := resources.On(topic, nil)
		if err != nil {
			return err
		}
		refused = resource.Err
		for _, config := range resource.Configs {
			if config.Key == name {
				got = config
			}
		}
		if got.MaybeValue() == value && got.Source.String() == source {
			return nil
		}
	}
	return errors.Join(refused, fmt.Errorf("unexpected %s: %q from %v", name, got.MaybeValue(), got.Source))
}

func deleteRecords(ctx context.Context, client *kgo.Client, adm *kadm.Client, topic string) error {
	for i := range 10 {
		r := &kgo.Record{Topic: topic, Partition: 1, Value: []byte{byte(i)}}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 1, 4, -1)
	deleted, err := adm.DeleteRecords(ctx, offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return err
	}
	if got, ok := deleted.Lookup(topic, 1); !ok || got.LowWatermark != 4 {
		return fmt.Errorf("unexpected answer %+v", got)
	}
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	if start, ok := starts.Lookup(topic, 1); !ok || start.Offset != 4 {
		return fmt.Errorf("the partition starts at %+v", start)
	}
	return nil
}
