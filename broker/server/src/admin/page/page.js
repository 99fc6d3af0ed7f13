"use strict";

/** Between two looks at the broker. */
const POLL_MS = 2000;
/** An answer that takes longer is none. */
const ANSWER_MS_MAX = 10000;
/** What is older is said to be old. */
const AGE_MS_MAX = 3 * POLL_MS;
/** Between two looks that are further apart, nothing is said of how fast things went. */
const GAP_MS_MAX = 5 * POLL_MS;
/** How many looks a plot goes back: five minutes. */
const SAMPLES_MAX = 150;
/** A filter counts when so long nothing was typed. */
const TYPING_MS = 200;

const PLOT_HEIGHT = 48;
const UNKNOWN = "–";

// ---- Elements. Text is only ever text: nothing that the cluster says is taken for markup.

const byId = id => document.getElementById(id);

function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
}

function makeSvg(tag, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) {
        element.setAttribute(name, value);
    }
    return element;
}

/** Leaves alone what says so already, and with it what somebody has selected there. */
function say(element, text) {
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

function classify(element, ...classes) {
    const className = classes.filter(Boolean).join(" ");
    if (element.className !== className) {
        element.className = className;
    }
}

/**
 * Has `parent` hold one child for each item, in their order. Children that are there stay, with their focus and what is open in them.
 */
function keep(parent, items, keyOf, begin, update) {
    const before = new Map([...parent.children].map(child => [child.dataset.key, child]));
    const wanted = new Set(items.map(keyOf));
    for (const [key, child] of before) {
        if (!wanted.has(key)) {
            child.remove();
        }
    }
    let next = parent.firstElementChild;
    for (const item of items) {
        const key = keyOf(item);
        let child = before.get(key);
        if (!child) {
            child = begin(item);
            child.dataset.key = key;
        }
        update(child, item);
        if (child === next) {
            next = next.nextElementSibling;
        } else {
            parent.insertBefore(child, next);
        }
    }
}

/** Terms and what is said of them: `[term, text, class]`. */
function facts(list, pairs) {
    const items = pairs.flatMap(([term, text, kind]) => [
        { tag: "dt", key: `term ${term}`, text: term },
        { tag: "dd", key: `text ${term}`, text, kind },
    ]);
    keep(list, items, it => it.key, it => make(it.tag), (element, it) => {
        say(element, it.text);
        classify(element, it.kind);
    });
}

/**
 * A table that scrolls in its own box, also by the keyboard. A column has a `title`, a `kind` of cells, what is said of an item (`of`), and how that is marked (`mark`). Returns what fills it.
 */
function table(parent, caption, columns) {
    const heads = columns.map(column =>
        make("th", { scope: "col", className: column.kind ?? "", textContent: column.title }));
    const body = make("tbody");
    const box = make("div", { className: "box", tabIndex: 0 }, make("table", {},
        make("caption", { textContent: caption }),
        make("thead", {}, make("tr", {}, ...heads)),
        body));
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", caption);
    parent.append(box);
    const begin = () => make("tr", {}, ...columns.map((_, index) =>
        index === 0 ? make("th", { scope: "row" }) : make("td")));
    const update = (row, item) => columns.forEach((column, index) => {
        say(row.children[index], column.of(item));
        classify(row.children[index], column.kind, column.mark?.(item));
    });
    return (items, keyOf) => {
        box.hidden = items.length === 0;
        keep(body, items, keyOf, begin, update);
    };
}

// ---- Numbers.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const whole = number => grouped.format(number);

function rounded(number) {
    const digits = number < 10 ? 2 : number < 100 ? 1 : 0;
    return String(Number(number.toFixed(digits)));
}

function bytes(count) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = 0;
    while (count >= 1024 && unit < units.length - 1) {
        count /= 1024;
        unit += 1;
    }
    return `${rounded(count)} ${units[unit]}`;
}

function duration(seconds) {
    if (seconds < 0.001) {
        return `${rounded(seconds * 1e6)} µs`;
    }
    return seconds < 1 ? `${rounded(seconds * 1e3)} ms` : `${rounded(seconds)} s`;
}

function age(ms) {
    const seconds = Math.max(0, Math.round(ms / 1000));
    if (seconds < 120) {
        return `${seconds} s`;
    }
    const minutes = Math.floor(seconds / 60);
    return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}

function used(part, all) {
    const percent = all > 0 ? ` (${Math.round(100 * part / all)} %)` : "";
    return `${bytes(part)} of ${bytes(all)}${percent}`;
}

/** What a share of the observations between two counts of a histogram does not exceed, evenly spread within a bucket; null where there were none. */
function quantile(before, now, share) {
    const counts = now.counts.map((count, index) => count - before.counts[index]);
    const all = counts.at(-1);
    if (!(all > 0)) {
        return null;
    }
    const rank = share * all;
    let [below, bound] = [0, 0];
    for (const [index, next] of now.bounds.entries()) {
        if (counts[index] >= rank && counts[index] > below) {
            return bound + (next - bound) * (rank - below) / (counts[index] - below);
        }
        [below, bound] = [counts[index], next];
    }
    return bound;
}

// ---- Asking.

/** The broker has answered, with why there is nothing to show. */
class Refused extends Error {}

async function get(path) {
    const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const body = await answer.json();
    if (!answer.ok) {
        throw new Refused(body.error);
    }
    return body;
}

// ---- This broker.

/** The broker that answers, and what it has counted when it did last. */
let last = null;

/** A value, and how it was. `between` gives it out of two looks and the seconds between them, or null. */
function figure(title, between, show) {
    const value = make("p", { className: "value", textContent: UNKNOWN });
    const most = make("p", { className: "most" });
    const plot = makeSvg("svg", {
        viewBox: `0 0 ${SAMPLES_MAX} ${PLOT_HEIGHT}`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
    });
    const caption = make("figcaption", { textContent: title });
    byId("figures").append(make("figure", {}, caption, value, plot, most));
    const samples = [];
    return (before, now, seconds) => {
        samples.push(before ? between(before, now, seconds) : null);
        samples.splice(0, samples.length - SAMPLES_MAX);
        const newest = samples.at(-1);
        const top = Math.max(...samples.map(it => it ?? 0));
        say(value, newest === null ? UNKNOWN : show(newest));
        say(most, samples.some(it => it !== null) ? `at most ${show(top)}` : "");
        plot.replaceChildren(...curves(samples, top));
    };
}

/** A line for each stretch in which there are values. */
function curves(samples, top) {
    const stretches = [];
    samples.forEach((sample, index) => {
        if (sample === null) {
            return;
        }
        if (index === 0 || samples[index - 1] === null) {
            stretches.push([]);
        }
        const x = SAMPLES_MAX - samples.length + index;
        const y = PLOT_HEIGHT - 2 - (PLOT_HEIGHT - 4) * (top > 0 ? sample / top : 0);
        stretches.at(-1).push(`${x},${y.toFixed(1)}`);
    });
    // A value alone is a line from itself to itself.
    return stretches.map(points =>
        makeSvg("polyline", { points: [...points, points.at(-1)].join(" ") }));
}

const perSecond = name => (before, now, seconds) => Math.max(0, now[name] - before[name]) / seconds;
const p99 = name => (before, now) => quantile(before[name], now[name], 0.99);
const bytesPerSecond = rate => `${bytes(rate)}/s`;

const figures = [
    figure("Bytes in", perSecond("bytes_in"), bytesPerSecond),
    figure("Bytes out", perSecond("bytes_out"), bytesPerSecond),
    figure("Records in", perSecond("records_in"), rate => `${whole(rate)}/s`),
    figure("Produce requests, 99 % within", p99("produce"), duration),
    figure("Writes of the journal, 99 % within", p99("sync"), duration),
];

const showDirectories = table(byId("directories"), "Data directories", [
    { title: "Directory", kind: "name", of: it => it.path },
    {
        title: "State",
        kind: "phrase",
        of: it => !it.usage ? "offline" : it.usage.is_refusing ? "refuses writes: short of space" : "online",
        mark: it => !it.usage || it.usage.is_refusing ? "bad" : "",
    },
    {
        title: "Journal",
        kind: "phrase",
        of: it => it.usage ? used(it.usage.journal_bytes_used, it.usage.journal_bytes_capacity) : UNKNOWN,
    },
    {
        title: "To be written behind",
        kind: "phrase",
        of: it => it.usage ? bytes(it.usage.write_behind_bytes) : UNKNOWN,
    },
    {
        title: "Free on the disk",
        kind: "phrase",
        of: it => it.usage ? used(it.usage.disk_bytes_free, it.usage.disk_bytes_capacity) : UNKNOWN,
    },
]);

async function showBroker() {
    const now = await get("api/broker");
    const gap = last ? now.monotonic_ms - last.monotonic_ms : 0;
    // In another life of the broker everything is counted anew.
    const goesOn = last?.epoch === now.epoch && gap > 0 && gap <= GAP_MS_MAX;
    figures.forEach(draw => draw(goesOn ? last : null, now, gap / 1000));
    last = now;
    document.title = `Broker ${now.id} – Holdfast`;
    say(byId("identity"), `Broker ${now.id}, version ${now.version}`);
    say(byId("broker-state"), now.not_ready ? `It does not serve clients: ${now.not_ready}` : "");
    const fallback = now.engine?.fallback_reason;
    facts(byId("engine"), [
        ["I/O engine", now.engine ? now.engine.name + (fallback ? `, since io_uring is not to be had: ${fallback}` : "") : UNKNOWN],
        ["Connections", whole(now.connections)],
        ["Memory for requests", used(now.memory_bytes, now.memory_bytes_max)],
    ]);
    showDirectories(now.directories, it => it.path);
}

// ---- The cluster.

function problems(health) {
    return [
        [health.no_leader, "without a leader"],
        [health.under_min_isr, "under min.insync.replicas"],
        [health.under_replicated, "under-replicated"],
    ].filter(([count]) => count > 0).map(([count, what]) => `${whole(count)} ${what}`).join(", ");
}

let controller = null;

function standing(broker) {
    return [
        broker.fenced ? "fenced" : "alive",
        broker.short_of_space && "short of space",
        broker.id === controller && "controller",
        broker.id === last?.id && "this broker",
    ].filter(Boolean).join(", ");
}

const showBrokers = table(byId("brokers"), "Brokers", [
    { title: "Broker", kind: "number", of: it => String(it.id) },
    {
        title: "State",
        kind: "phrase",
        of: standing,
        mark: it => it.fenced ? "bad" : it.short_of_space ? "attention" : "",
    },
    { title: "Address", of: it => it.addresses.join(", ") || UNKNOWN },
    { title: "Rack", of: it => it.rack ?? UNKNOWN },
    { title: "Leads", kind: "number", of: it => whole(it.leaders) },
    { title: "Replicas", kind: "number", of: it => whole(it.replicas) },
    {
        title: "In sync",
        kind: "number",
        of: it => whole(it.in_sync),
        mark: it => it.in_sync < it.replicas ? "bad" : "",
    },
]);

async function showCluster() {
    const cluster = await get("api/cluster");
    controller = cluster.controller;
    const wrong = problems(cluster.health);
    const moving = cluster.health.reassigning;
    const beyond = cluster.broker_count - cluster.brokers.length;
    facts(byId("cluster-facts"), [
        ["Id", cluster.id],
        ["Controller", controller === null ? "none is known" : `broker ${controller}`, controller === null ? "bad" : ""],
        ["Brokers", whole(cluster.broker_count) + (beyond > 0 ? `, ${whole(beyond)} of which are not shown` : "")],
        ["Topics", whole(cluster.topics)],
        ["Partitions", whole(cluster.partitions) + (moving > 0 ? `, ${whole(moving)} of which move to other brokers` : "")],
        ["Problems", wrong ? `partitions ${wrong}` : "none", wrong ? "bad" : ""],
    ]);
    showBrokers(cluster.brokers, it => String(it.id));
}

// ---- Entries that open: topics and groups.

/** Those that are open. */
const opened = new Set();
const entries = new WeakMap();

/** `path` says where to ask for what is in it, `begin` prepares for that and returns what draws it. */
function beginEntry(name, path, begin) {
    const entry = {
        name,
        path,
        begin,
        facts: make("span", { className: "facts" }),
        problems: make("span", { className: "facts bad" }),
        content: make("div", { className: "content" }),
        from: 0,
        asked: 0,
        draw: null,
    };
    const title = make("span", { className: "name", textContent: name });
    const summary = make("summary", {}, title, entry.facts, entry.problems);
    entry.details = make("details", {}, summary, entry.content);
    entry.details.addEventListener("toggle", () => {
        if (entry.details.open) {
            opened.add(entry);
            refresh(entry).catch(failed);
        } else {
            opened.delete(entry);
            entry.draw = null;
            entry.content.replaceChildren();
        }
    });
    const item = make("li", {}, entry.details);
    entries.set(item, entry);
    return item;
}

/** Asks for what is in an entry, and shows it, if it is still open and nothing was asked since. */
async function refresh(entry) {
    entry.asked += 1;
    const asked = entry.asked;
    const isWanted = () => asked === entry.asked && entry.details.open;
    let answer;
    try {
        answer = await get(entry.path(entry));
    } catch (error) {
        if (!(error instanceof Refused)) {
            throw error;
        }
        if (isWanted()) {
            entry.draw = null;
            entry.content.replaceChildren(make("p", { className: "note", textContent: error.message }));
        }
        return;
    }
    if (isWanted()) {
        if (!entry.draw) {
            entry.content.replaceChildren();
            entry.draw = entry.begin(entry);
        }
        entry.draw(answer);
    }
}

async function refreshOpened() {
    for (const entry of [...opened]) {
        if (entry.details.isConnected) {
            await refresh(entry);
        } else {
            opened.delete(entry);
        }
    }
}

/** How many there are of what is called `one`, and how many of them are not shown. */
function counted(answer, shown, one) {
    const beyond = answer.matching - shown;
    const named = answer.total === 1 ? one : `${one}s`;
    if (answer.total === 0) {
        return `There are no ${one}s.`;
    }
    const matching = answer.matching === answer.total
        ? `${whole(answer.total)} ${named}.`
        : `${whole(answer.matching)} of ${whole(answer.total)} ${named}.`;
    return beyond > 0
        ? `${matching} The first ${whole(shown)} are shown; ${whole(beyond)} more are found by the filter.`
        : matching;
}

/** A list that is asked for with a filter, of which the newest answer counts. */
function filtered(path, show) {
    let newest = 0;
    return async () => {
        newest += 1;
        const asked = newest;
        const answer = await get(path());
        if (asked === newest) {
            show(answer);
        }
    };
}

const valueOf = id => encodeURIComponent(byId(id).value.trim());

// ---- Topics.

const ofReplica = show => it => it.here ? show(it.here) : UNKNOWN;

const PARTITION_COLUMNS = [
    { title: "Partition", kind: "number", of: it => String(it.partition) },
    {
        title: "State",
        kind: "phrase",
        of: it => it.conditions.join(", ") || "in sync",
        mark: it => it.conditions.some(condition => condition !== "reassigning") ? "bad" : "",
    },
    { title: "Leader", kind: "number", of: it => it.leader === null ? "none" : String(it.leader) },
    { title: "Epoch", kind: "number", of: it => String(it.leader_epoch) },
    { title: "Replicas", of: it => it.replicas.join(", ") },
    { title: "ISR", of: it => it.isr.join(", ") },
    { title: "Start", kind: "number", of: ofReplica(here => whole(here.log_start_offset)) },
    { title: "High watermark", kind: "number", of: ofReplica(here => whole(here.high_watermark)) },
    { title: "End", kind: "number", of: ofReplica(here => whole(here.log_end_offset)) },
    { title: "Size", kind: "number", of: ofReplica(here => bytes(here.size_bytes)) },
];

function beginTopic(topic) {
    const path = entry => `api/topics/${encodeURIComponent(topic.name)}?from=${entry.from}`;
    return beginEntry(topic.name, path, beginPartitions);
}

function beginPartitions(entry) {
    const show = table(entry.content, `Partitions of ${entry.name}`, PARTITION_COLUMNS);
    entry.content.append(make("p", {
        className: "note",
        textContent: "Offsets and sizes are those of the replica on this broker, where it has one.",
    }));
    const turn = beginPager(entry);
    return topic => {
        show(topic.partitions, it => String(it.partition));
        turn(topic.partition_count, topic.partitions_max);
    };
}

/** Goes through a topic that has more partitions than are shown at a time. */
function beginPager(entry) {
    let [count, step] = [0, 0];
    const turnTo = from => {
        if (from >= 0 && from < count) {
            entry.from = from;
            refresh(entry).catch(failed);
        }
    };
    const earlier = make("button", { type: "button", textContent: "Earlier partitions" });
    const later = make("button", { type: "button", textContent: "Later partitions" });
    earlier.addEventListener("click", () => turnTo(entry.from - step));
    later.addEventListener("click", () => turnTo(entry.from + step));
    const place = make("span");
    const pager = make("div", { className: "pager", hidden: true }, earlier, place, later);
    entry.content.append(pager);
    return (newCount, newStep) => {
        [count, step] = [newCount, newStep];
        // A topic of the name may have been made again, with fewer.
        entry.from = entry.from < count ? entry.from : 0;
        pager.hidden = count <= step;
        const end = Math.min(entry.from + step, count);
        say(place, `${whole(entry.from)} to ${whole(end - 1)} of ${whole(count)}`);
        // Not `disabled`, which would take the focus away.
        earlier.setAttribute("aria-disabled", String(entry.from === 0));
        later.setAttribute("aria-disabled", String(end === count));
    };
}

function updateTopic(item, topic) {
    const entry = entries.get(item);
    const moving = topic.health.reassigning;
    say(entry.facts, [
        `${whole(topic.partitions)} ${topic.partitions === 1 ? "partition" : "partitions"}`,
        `${topic.replication_factor} ${topic.replication_factor === 1 ? "replica" : "replicas"}`,
        `min ISR ${topic.min_insync_replicas}`,
        moving > 0 && `${whole(moving)} moving`,
    ].filter(Boolean).join(" · "));
    say(entry.problems, problems(topic.health));
}

const showTopics = filtered(
    () => `api/topics?filter=${valueOf("topic-filter")}&unhealthy=${byId("topic-unhealthy").checked}`,
    answer => {
        say(byId("topic-count"), counted(answer, answer.topics.length, "topic"));
        keep(byId("topic-list"), answer.topics, it => it.name, beginTopic, updateTopic);
    },
);

// ---- Groups.

function lagOf(lag) {
    if (lag.partitions === 0) {
        return "nothing committed";
    }
    if (lag.unknown === lag.partitions) {
        return "not known here";
    }
    return whole(lag.offsets) + (lag.unknown > 0 ? `, without ${whole(lag.unknown)} partitions that are not here` : "");
}

function beginGroup(group) {
    const path = () => `api/group?id=${encodeURIComponent(group.id)}`;
    return beginEntry(group.id, path, beginMembers);
}

function beginMembers(entry) {
    const assignor = entry.content.appendChild(make("p", { className: "note" }));
    const showLags = table(entry.content, `Lag of ${entry.name}`, [
        { title: "Topic", kind: "name", of: it => it.topic },
        { title: "Partitions", kind: "number", of: it => whole(it.lag.partitions) },
        { title: "Lag", kind: "number", of: it => lagOf(it.lag) },
    ]);
    const showMembers = table(entry.content, `Members of ${entry.name}`, [
        { title: "Member", kind: "name", of: it => it.id },
        { title: "Instance", of: it => it.instance ?? UNKNOWN },
        { title: "Client", of: it => it.client_id },
        { title: "Host", of: it => it.host },
        { title: "Partitions", kind: "number", of: it => it.partitions === null ? UNKNOWN : whole(it.partitions) },
    ]);
    const rest = entry.content.appendChild(make("p", { className: "note" }));
    return group => {
        const beyond = [
            [group.topic_count - group.topics.length, "topics"],
            [group.member_count - group.members.length, "members"],
        ].filter(([count]) => count > 0).map(([count, what]) => `${whole(count)} more ${what}`);
        say(assignor, group.assignor ? `Assignor: ${group.assignor}` : "");
        showLags(group.topics, it => it.topic);
        showMembers(group.members, it => it.id);
        say(rest, beyond.length > 0 ? `Not shown: ${beyond.join(", ")}.` : "");
    };
}

function updateGroup(item, group) {
    const entry = entries.get(item);
    const kind = group.protocol_type && group.protocol_type !== group.type ? ` (${group.protocol_type})` : "";
    say(entry.facts, [
        group.state,
        `${group.type} protocol${kind}`,
        `${whole(group.members)} ${group.members === 1 ? "member" : "members"}`,
        `lag: ${lagOf(group.lag)}`,
    ].join(" · "));
}

const showGroups = filtered(
    () => `api/groups?filter=${valueOf("group-filter")}`,
    answer => {
        say(byId("group-count"), counted(answer, answer.groups.length, "group"));
        keep(byId("group-list"), answer.groups, it => it.id, beginGroup, updateGroup);
    },
);

// ---- Looking again and again, while somebody sees it.

/** When the broker has answered everything last, and why it does not any more. */
let answeredAt = null;
let failure = "";
/** Since when the page is seen: before, it did not ask. */
let seenSince = Date.now();
let isPolling = false;
let nextPoll = 0;

function failed(error) {
    console.warn(error);
    failure = error instanceof Refused
        ? `The broker has nothing to show: ${error.message}.`
        : "The broker does not answer.";
    showAge();
}

/** What is said aloud stays the same while the broker is silent; how long that is, is only seen. */
function showAge() {
    const ms = answeredAt === null ? 0 : Date.now() - answeredAt;
    const waits = Math.min(ms, Date.now() - seenSince);
    const why = failure || (waits > AGE_MS_MAX ? "The broker does not answer." : "");
    const isOld = why && answeredAt !== null;
    const time = isOld ? new Date(answeredAt).toLocaleTimeString() : "";
    say(byId("banner-text"), isOld ? `${why} What is shown is of ${time}:` : why);
    say(byId("banner-age"), isOld ? `${age(ms)} old.` : "");
    byId("banner").classList.toggle("shown", why !== "");
}

async function poll() {
    clearTimeout(nextPoll);
    if (isPolling) {
        return;
    }
    isPolling = true;
    try {
        await showBroker();
        await showCluster();
        await showTopics();
        await showGroups();
        await refreshOpened();
        answeredAt = Date.now();
        failure = "";
    } catch (error) {
        failed(error);
    }
    isPolling = false;
    showAge();
    if (!document.hidden) {
        nextPoll = setTimeout(poll, POLL_MS);
    }
}

/** Has a list asked for again when its filter has changed. */
function follow(ids, show) {
    let typing = 0;
    for (const id of ids) {
        byId(id).addEventListener("input", () => {
            clearTimeout(typing);
            typing = setTimeout(() => show().catch(failed), TYPING_MS);
        });
    }
}

follow(["topic-filter", "topic-unhealthy"], showTopics);
follow(["group-filter"], showGroups);
document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
        clearTimeout(nextPoll);
    } else {
        seenSince = Date.now();
        poll();
    }
});
setInterval(showAge, 1000);
poll();
