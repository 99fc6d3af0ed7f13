//! The settings of Apache Kafka's broker that have no effect here, so that a configuration written
//! for Kafka starts: each is checked, accepted with a warning, kept and shown.

use super::definition::{
    Check,
    ConfigType::{self, Boolean, Class, Double, Int, List, Long, Password, Short, String},
    Definition,
};
use super::settings::broker_definitions;

/// All of them, sorted by name.
#[rustfmt::skip]
pub static ACCEPTED_WITHOUT_EFFECT: &[Definition] = &[
    accepted("add.partitions.to.txn.retry.backoff.max.ms", Int, Some("100")).at_least(0),
    accepted("add.partitions.to.txn.retry.backoff.ms", Int, Some("20")).at_least(1),
    accepted("alter.config.policy.class.name", Class, None),
    accepted("alter.log.dirs.replication.quota.window.num", Int, Some("11")).at_least(1),
    accepted("alter.log.dirs.replication.quota.window.size.seconds", Int, Some("1")).at_least(1),
    accepted("background.threads", Int, Some("10")).at_least(1).dynamic(),
    accepted("broker.heartbeat.interval.ms", Int, Some("2000")),
    accepted("broker.id", Int, Some("-1")),
    accepted("broker.session.timeout.ms", Int, Some("9000")),
    accepted("client.quota.callback.class", Class, None),
    accepted("config.providers", List, Some("")).dynamic(),
    accepted("connection.failed.authentication.delay.ms", Int, Some("100")).at_least(0),
    accepted("connections.max.reauth.ms", Long, Some("0")),
    accepted("controlled.shutdown.enable", Boolean, Some("true")),
    accepted("controller.listener.names", List, None),
    accepted("controller.quorum.append.linger.ms", Int, Some("25")).at_least(0),
    accepted("controller.quorum.auto.join.enable", Boolean, Some("false")),
    accepted("controller.quorum.bootstrap.servers", List, Some("")),
    accepted("controller.quorum.election.backoff.max.ms", Int, Some("1000")).at_least(0),
    accepted("controller.quorum.election.timeout.ms", Int, Some("1000")).at_least(0),
    accepted("controller.quorum.fetch.max.bytes", Int, Some("1048576")).at_least(1),
    accepted("controller.quorum.fetch.snapshot.max.bytes", Int, Some("1048576")).at_least(1),
    accepted("controller.quorum.fetch.timeout.ms", Int, Some("2000")).at_least(0),
    accepted("controller.quorum.request.timeout.ms", Int, Some("2000")).at_least(0),
    accepted("controller.quorum.retry.backoff.ms", Int, Some("20")).at_least(0),
    accepted("controller.quorum.voters", List, Some("")),
    accepted("controller.quota.window.num", Int, Some("11")).at_least(1),
    accepted("controller.quota.window.size.seconds", Int, Some("1")).at_least(1),
    accepted("controller.socket.timeout.ms", Int, Some("30000")),
    accepted("cordoned.log.dirs", List, Some("")).per_broker(),
    accepted("create.topic.policy.class.name", Class, None),
    accepted("delegation.token.expiry.check.interval.ms", Long, Some("3600000")).at_least(1),
    accepted("delegation.token.expiry.time.ms", Long, Some("86400000")).at_least(1),
    accepted("delegation.token.max.lifetime.ms", Long, Some("604800000")).at_least(1),
    accepted("delegation.token.secret.key", Password, None),
    accepted("delete.records.purgatory.purge.interval.requests", Int, Some("1")),
    accepted("early.start.listeners", List, None),
    accepted("fetch.purgatory.purge.interval.requests", Int, Some("1000")),
    accepted("follower.fetch.last.tiered.offset.enable", Boolean, Some("false")).dynamic(),
    accepted("group.coordinator.append.linger.ms", Int, Some("-1")).at_least(-1),
    accepted("group.coordinator.background.threads", Int, Some("2")).at_least(1),
    accepted("group.coordinator.cached.buffer.max.bytes", Int, Some("1048588"))
        .at_least(524_288)
        .dynamic(),
    accepted("group.coordinator.threads", Int, Some("4")).at_least(1),
    accepted("group.share.assignment.interval.ms", Int, Some("1000")).at_least(0).dynamic(),
    accepted("group.share.assignors", List, Some("simple")),
    accepted("group.share.delivery.count.limit", Int, Some("5")).between(2, 10),
    accepted("group.share.heartbeat.interval.ms", Int, Some("5000")).at_least(1),
    accepted("group.share.max.assignment.interval.ms", Int, Some("15000")).at_least(0),
    accepted("group.share.max.delivery.count.limit", Int, Some("10")).between(5, 25),
    accepted("group.share.max.heartbeat.interval.ms", Int, Some("15000")).at_least(1),
    accepted("group.share.max.partition.max.record.locks", Int, Some("4000")).between(2000, 10_000),
    accepted("group.share.max.record.lock.duration.ms", Int, Some("60000"))
        .between(30_000, 3_600_000),
    accepted("group.share.max.session.timeout.ms", Int, Some("60000")).at_least(1),
    accepted("group.share.max.share.sessions", Int, Some("2000")).at_least(1),
    accepted("group.share.max.size", Int, Some("200")).between(1, 1000),
    accepted("group.share.min.assignment.interval.ms", Int, Some("0")).at_least(0),
    accepted("group.share.min.delivery.count.limit", Int, Some("2")).between(2, 5),
    accepted("group.share.min.heartbeat.interval.ms", Int, Some("5000")).at_least(1),
    accepted("group.share.min.partition.max.record.locks", Int, Some("100")).between(100, 2000),
    accepted("group.share.min.record.lock.duration.ms", Int, Some("15000")).between(1000, 30_000),
    accepted("group.share.min.session.timeout.ms", Int, Some("45000")).at_least(1),
    accepted("group.share.partition.max.record.locks", Int, Some("2000")).between(100, 10_000),
    accepted("group.share.record.lock.duration.ms", Int, Some("30000")).between(1000, 3_600_000),
    accepted("group.share.session.timeout.ms", Int, Some("45000")).at_least(1),
    accepted("group.streams.assignment.interval.ms", Int, Some("1000")).at_least(0).dynamic(),
    accepted("group.streams.heartbeat.interval.ms", Int, Some("5000")).at_least(1),
    accepted("group.streams.initial.rebalance.delay.ms", Int, Some("3000")).at_least(0),
    accepted("group.streams.max.assignment.interval.ms", Int, Some("15000")).at_least(0),
    accepted("group.streams.max.heartbeat.interval.ms", Int, Some("15000")).at_least(1),
    accepted("group.streams.max.session.timeout.ms", Int, Some("60000")).at_least(1),
    accepted("group.streams.max.size", Int, Some("2147483647")).at_least(1),
    accepted("group.streams.max.standby.replicas", Int, Some("2")).at_least(0),
    accepted("group.streams.min.assignment.interval.ms", Int, Some("0")).at_least(0),
    accepted("group.streams.min.heartbeat.interval.ms", Int, Some("5000")).at_least(1),
    accepted("group.streams.min.session.timeout.ms", Int, Some("45000")).at_least(1),
    accepted("group.streams.num.standby.replicas", Int, Some("0")).at_least(0),
    accepted("group.streams.session.timeout.ms", Int, Some("45000")).at_least(1),
    accepted("initial.broker.registration.timeout.ms", Int, Some("60000")),
    accepted("inter.broker.listener.name", String, None),
    accepted("kafka.metrics.polling.interval.secs", Int, Some("10")).at_least(1),
    accepted("kafka.metrics.reporters", List, Some("")),
    accepted("log.cleaner.io.buffer.load.factor", Double, Some("0.9")).dynamic(),
    accepted("log.cleaner.io.buffer.size", Int, Some("524288")).at_least(0).dynamic(),
    accepted("log.cleaner.threads", Int, Some("1")).at_least(0).dynamic(),
    accepted("log.dir.failure.timeout.ms", Long, Some("30000")).at_least(1),
    accepted("log.flush.offset.checkpoint.interval.ms", Int, Some("60000")).at_least(0),
    accepted("log.flush.start.offset.checkpoint.interval.ms", Int, Some("60000")).at_least(0),
    accepted("max.connection.creation.rate", Int, Some("2147483647")).at_least(0).dynamic(),
    accepted("max.connections.per.ip.overrides", String, Some("")).dynamic(),
    accepted("metadata.log.max.record.bytes.between.snapshots", Long, Some("20971520")).at_least(1),
    accepted("metadata.log.max.snapshot.interval.ms", Long, Some("3600000")).at_least(0),
    accepted("metadata.log.segment.bytes", Int, Some("1073741824")).at_least(8_388_608),
    accepted("metadata.log.segment.ms", Long, Some("604800000")),
    accepted("metadata.max.idle.interval.ms", Int, Some("500")).at_least(0),
    accepted("metadata.max.retention.bytes", Long, Some("104857600")),
    accepted("metadata.max.retention.ms", Long, Some("604800000")),
    accepted("metric.reporters", List, Some("org.apache.kafka.common.metrics.JmxReporter"))
        .dynamic(),
    accepted("metrics.num.samples", Int, Some("2")).at_least(1),
    accepted("metrics.recording.level", String, Some("INFO")),
    accepted("metrics.sample.window.ms", Long, Some("30000")).at_least(1),
    accepted("num.io.threads", Int, Some("8")).at_least(1).dynamic(),
    accepted("num.network.threads", Int, Some("3")).at_least(1).dynamic(),
    accepted("num.recovery.threads.per.data.dir", Int, Some("2")).at_least(1).dynamic(),
    accepted("num.replica.alter.log.dirs.threads", Int, None),
    accepted("num.replica.fetchers", Int, Some("1")).at_least(1).dynamic(),
    accepted("offsets.commit.timeout.ms", Int, Some("5000")).at_least(1),
    accepted("offsets.load.buffer.size", Int, Some("5242880")).at_least(1),
    accepted("offsets.topic.compression.codec", Int, Some("0")),
    accepted(
        "principal.builder.class",
        Class,
        Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
    )
        .per_broker(),
    accepted("process.roles", List, None).check(Check::ListOf(&["broker", "controller"])),
    accepted("producer.purgatory.purge.interval.requests", Int, Some("1000")),
    accepted("queued.max.requests", Int, Some("500")).at_least(1),
    accepted("quota.window.num", Int, Some("11")).at_least(1),
    accepted("quota.window.size.seconds", Int, Some("1")).at_least(1),
    accepted("remote.fetch.max.wait.ms", Int, Some("500")).at_least(1).dynamic(),
    accepted("remote.list.offsets.request.timeout.ms", Long, Some("30000")).at_least(1).dynamic(),
    accepted("remote.log.index.file.cache.total.size.bytes", Long, Some("1073741824"))
        .at_least(1)
        .dynamic(),
    accepted("remote.log.manager.copier.thread.pool.size", Int, Some("10")).at_least(1).dynamic(),
    accepted("remote.log.manager.copy.max.bytes.per.second", Long, Some("9223372036854775807"))
        .at_least(1)
        .dynamic(),
    accepted("remote.log.manager.copy.quota.window.num", Int, Some("11")).at_least(1),
    accepted("remote.log.manager.copy.quota.window.size.seconds", Int, Some("1")).at_least(1),
    accepted("remote.log.manager.expiration.thread.pool.size", Int, Some("10"))
        .at_least(1)
        .dynamic(),
    accepted("remote.log.manager.fetch.max.bytes.per.second", Long, Some("9223372036854775807"))
        .at_least(1)
        .dynamic(),
    accepted("remote.log.manager.fetch.quota.window.num", Int, Some("11")).at_least(1),
    accepted("remote.log.manager.fetch.quota.window.size.seconds", Int, Some("1")).at_least(1),
    accepted("remote.log.manager.follower.thread.pool.size", Int, Some("2")).at_least(1).dynamic(),
    accepted("remote.log.manager.task.interval.ms", Long, Some("30000")).at_least(1),
    accepted("remote.log.manager.thread.pool.size", Int, Some("2")).at_least(1),
    accepted("remote.log.metadata.custom.metadata.max.bytes", Int, Some("128")).at_least(0),
    accepted(
        "remote.log.metadata.manager.class.name",
        String,
        Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"),
    ),
    accepted("remote.log.metadata.manager.class.path", String, None),
    accepted("remote.log.metadata.manager.impl.prefix", String, Some("rlmm.config.")),
    accepted("remote.log.metadata.manager.listener.name", String, None),
    accepted("remote.log.reader.max.pending.tasks", Int, Some("100")).at_least(1),
    accepted("remote.log.reader.threads", Int, Some("10")).at_least(1).dynamic(),
    accepted("remote.log.storage.manager.class.name", String, None),
    accepted("remote.log.storage.manager.class.path", String, None),
    accepted("remote.log.storage.manager.impl.prefix", String, Some("rsm.config.")),
    accepted("replica.fetch.backoff.ms", Int, Some("1000")).at_least(0),
    accepted("replica.fetch.max.bytes", Int, Some("1048576")).at_least(0),
    accepted("replica.fetch.min.bytes", Int, Some("1")),
    accepted("replica.fetch.response.max.bytes", Int, Some("10485760")).at_least(0),
    accepted("replica.fetch.wait.max.ms", Int, Some("500")),
    accepted("replica.high.watermark.checkpoint.interval.ms", Long, Some("5000")),
    accepted("replica.lag.time.max.ms", Long, Some("30000")),
    accepted("replica.socket.receive.buffer.bytes", Int, Some("65536")),
    accepted("replica.socket.timeout.ms", Int, Some("30000")),
    accepted("replication.quota.window.num", Int, Some("11")).at_least(1),
    accepted("replication.quota.window.size.seconds", Int, Some("1")).at_least(1),
    accepted("sasl.client.callback.handler.class", Class, None),
    accepted("sasl.enabled.mechanisms", List, Some("GSSAPI")).per_broker(),
    accepted("sasl.jaas.config", Password, None).per_broker(),
    accepted("sasl.kerberos.kinit.cmd", String, Some("/usr/bin/kinit")).per_broker(),
    accepted("sasl.kerberos.min.time.before.relogin", Long, Some("60000")).per_broker(),
    accepted("sasl.kerberos.principal.to.local.rules", List, Some("DEFAULT")).per_broker(),
    accepted("sasl.kerberos.service.name", String, None).per_broker(),
    accepted("sasl.kerberos.ticket.renew.jitter", Double, Some("0.05")).per_broker(),
    accepted("sasl.kerberos.ticket.renew.window.factor", Double, Some("0.8")).per_broker(),
    accepted("sasl.login.callback.handler.class", Class, None),
    accepted("sasl.login.class", Class, None),
    accepted("sasl.login.connect.timeout.ms", Int, None),
    accepted("sasl.login.read.timeout.ms", Int, None),
    accepted("sasl.login.refresh.buffer.seconds", Short, Some("300")).per_broker(),
    accepted("sasl.login.refresh.min.period.seconds", Short, Some("60")).per_broker(),
    accepted("sasl.login.refresh.window.factor", Double, Some("0.8")).per_broker(),
    accepted("sasl.login.refresh.window.jitter", Double, Some("0.05")).per_broker(),
    accepted("sasl.login.retry.backoff.max.ms", Long, Some("10000")),
    accepted("sasl.login.retry.backoff.ms", Long, Some("100")),
    accepted("sasl.mechanism.controller.protocol", String, Some("GSSAPI")),
    accepted("sasl.mechanism.inter.broker.protocol", String, Some("GSSAPI")).per_broker(),
    accepted("sasl.oauthbearer.assertion.algorithm", String, Some("RS256"))
        .check(Check::OneOfAnyCase(&["ES256", "RS256"])),
    accepted("sasl.oauthbearer.assertion.claim.aud", String, None),
    accepted("sasl.oauthbearer.assertion.claim.exp.seconds", Int, Some("300")).between(0, 86_400),
    accepted("sasl.oauthbearer.assertion.claim.iss", String, None),
    accepted("sasl.oauthbearer.assertion.claim.jti.include", Boolean, Some("false")),
    accepted("sasl.oauthbearer.assertion.claim.nbf.seconds", Int, Some("60")).between(0, 3600),
    accepted("sasl.oauthbearer.assertion.claim.sub", String, None),
    accepted("sasl.oauthbearer.assertion.file", String, None),
    accepted("sasl.oauthbearer.assertion.private.key.file", String, None),
    accepted("sasl.oauthbearer.assertion.private.key.passphrase", Password, None),
    accepted("sasl.oauthbearer.assertion.template.file", String, None),
    accepted("sasl.oauthbearer.client.credentials.client.id", String, None),
    accepted("sasl.oauthbearer.client.credentials.client.secret", Password, None),
    accepted("sasl.oauthbearer.clock.skew.seconds", Int, Some("30")),
    accepted("sasl.oauthbearer.expected.audience", List, Some("")),
    accepted("sasl.oauthbearer.expected.issuer", String, None),
    accepted("sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, Some("3600000")),
    accepted("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, Some("10000")),
    accepted("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, Some("100")),
    accepted("sasl.oauthbearer.jwks.endpoint.url", String, None),
    accepted(
        "sasl.oauthbearer.jwt.retriever.class",
        Class,
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
    ),
    accepted(
        "sasl.oauthbearer.jwt.validator.class",
        Class,
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
    ),
    accepted("sasl.oauthbearer.scope", String, None),
    accepted("sasl.oauthbearer.scope.claim.name", String, Some("scope")),
    accepted("sasl.oauthbearer.sub.claim.name", String, Some("sub")),
    accepted("sasl.oauthbearer.token.endpoint.url", String, None),
    accepted("sasl.server.callback.handler.class", Class, None),
    accepted("sasl.server.max.receive.size", Int, Some("524288")),
    accepted("security.inter.broker.protocol", String, Some("PLAINTEXT"))
        .check(Check::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])),
    accepted("security.providers", String, None),
    accepted("share.coordinator.append.linger.ms", Int, Some("-1")).at_least(-1),
    accepted("share.coordinator.cached.buffer.max.bytes", Int, Some("1048588"))
        .at_least(524_288)
        .dynamic(),
    accepted("share.coordinator.load.buffer.size", Int, Some("5242880")).at_least(1),
    accepted("share.coordinator.snapshot.update.records.per.snapshot", Int, Some("500"))
        .between(0, 500),
    accepted("share.coordinator.state.topic.compression.codec", Int, Some("0")),
    accepted("share.coordinator.state.topic.min.isr", Short, Some("2")).at_least(1),
    accepted("share.coordinator.state.topic.num.partitions", Int, Some("50")).at_least(1),
    accepted("share.coordinator.state.topic.replication.factor", Short, Some("3")).at_least(1),
    accepted("share.coordinator.state.topic.segment.bytes", Int, Some("104857600")).at_least(1),
    accepted("share.coordinator.threads", Int, Some("1")).at_least(1),
    accepted("share.coordinator.write.timeout.ms", Int, Some("5000")).at_least(1),
    accepted("share.fetch.purgatory.purge.interval.requests", Int, Some("1000")),
    accepted("socket.connection.setup.timeout.max.ms", Long, Some("30000")),
    accepted("socket.connection.setup.timeout.ms", Long, Some("10000")),
    accepted("socket.receive.buffer.bytes", Int, Some("102400")),
    accepted("socket.send.buffer.bytes", Int, Some("102400")),
    accepted("ssl.allow.dn.changes", Boolean, Some("false")),
    accepted("ssl.allow.san.changes", Boolean, Some("false")),
    accepted("ssl.cipher.suites", List, Some("")).per_broker(),
    accepted("ssl.client.auth", String, Some("none"))
        .check(Check::OneOf(&["required", "requested", "none"]))
        .per_broker(),
    accepted("ssl.enabled.protocols", List, Some("TLSv1.2,TLSv1.3")).per_broker(),
    accepted("ssl.endpoint.identification.algorithm", String, Some("https")).per_broker(),
    accepted("ssl.engine.factory.class", Class, None).per_broker(),
    accepted("ssl.key.password", Password, None).per_listener(),
    accepted("ssl.keymanager.algorithm", String, Some("SunX509")).per_broker(),
    accepted("ssl.keystore.certificate.chain", Password, None).per_listener(),
    accepted("ssl.keystore.key", Password, None).per_listener(),
    accepted("ssl.keystore.location", String, None).per_listener(),
    accepted("ssl.keystore.password", Password, None).per_listener(),
    accepted("ssl.keystore.type", String, Some("JKS")).per_listener(),
    accepted("ssl.principal.mapping.rules", String, Some("DEFAULT")),
    accepted("ssl.protocol", String, Some("TLSv1.3")).per_broker(),
    accepted("ssl.provider", String, None).per_broker(),
    accepted("ssl.secure.random.implementation", String, None).per_broker(),
    accepted("ssl.trustmanager.algorithm", String, Some("PKIX")).per_broker(),
    accepted("ssl.truststore.certificates", Password, None).per_listener(),
    accepted("ssl.truststore.location", String, None).per_listener(),
    accepted("ssl.truststore.password", Password, None).per_listener(),
    accepted("ssl.truststore.type", String, Some("JKS")).per_listener(),
    accepted("telemetry.max.bytes", Int, Some("1048576")).at_least(1),
    accepted("transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, Some("10000"))
        .at_least(1),
    accepted("transaction.partition.verification.enable", Boolean, Some("true")).dynamic(),
    accepted("transaction.remove.expired.transaction.cleanup.interval.ms", Int, Some("3600000"))
        .at_least(1),
    accepted("transaction.state.log.load.buffer.size", Int, Some("5242880")).at_least(1),
    accepted("transaction.state.log.min.isr", Int, Some("2")).at_least(1),
    accepted("transaction.state.log.num.partitions", Int, Some("50")).at_least(1),
    accepted("transaction.state.log.replication.factor", Short, Some("3")).at_least(1),
    accepted("transaction.state.log.segment.bytes", Int, Some("104857600")).at_least(1),
    accepted("transaction.two.phase.commit.enable", Boolean, Some("false")),
];

/// The settings of a broker that Kafka takes only while it runs, sorted by name (KIP-73, KIP-113).
static THROTTLES: &[Definition] = &[
    throttle("follower.replication.throttled.rate"),
    throttle("leader.replication.throttled.rate"),
    throttle(ALTER_LOG_DIRS_THROTTLE),
];

/// The only one of them without effect.
const ALTER_LOG_DIRS_THROTTLE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// Whether a setting that can only be set while the broker runs has an effect.
pub(super) fn is_throttle_with_effect(name: &str) -> bool {
    name != ALTER_LOG_DIRS_THROTTLE && throttle_definition(name).is_some()
}

/// The settings of the plugins of tiered storage, which are behind a prefix.
static PLUGIN: Definition = accepted("", String, None);

const fn accepted(
    name: &'static str,
    config_type: ConfigType,
    default: Option<&'static str>,
) -> Definition {
    Definition::new(name, config_type, default, "Has no effect here.")
}

const fn throttle(name: &'static str) -> Definition {
    accepted(name, Long, None).at_least(0).dynamic()
}

/// A setting that is accepted without effect.
pub(super) fn accepted_definition(name: &str) -> Option<&'static Definition> {
    find(ACCEPTED_WITHOUT_EFFECT, name)
}

/// A setting that can only be set while the broker runs.
pub(super) fn throttle_definition(name: &str) -> Option<&'static Definition> {
    find(THROTTLES, name)
}

/// The setting behind a prefix. Settings may carry the prefix of one listener
/// (`listener.name.internal.ssl.keystore.location`), and the plugins of tiered storage have settings
/// of their own behind a prefix, as in Kafka.
pub(super) fn prefixed_definition(name: &str) -> Option<&'static Definition> {
    if ["rsm.config.", "rlmm.config."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
    {
        return Some(&PLUGIN);
    }
    let (_, base) = name.strip_prefix("listener.name.")?.split_once('.')?;
    let honoured = broker_definitions().find(|definition| definition.name == base);
    honoured.or_else(|| accepted_definition(base))
}

fn find(table: &'static [Definition], name: &str) -> Option<&'static Definition> {
    let index = table
        .binary_search_by(|definition| definition.name.cmp(name))
        .ok()?;
    Some(&table[index])
}
