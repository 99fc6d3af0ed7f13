use super::*;

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/operating/configuration.md"
);

#[test]
fn the_page_in_docs_is_what_the_tables_say() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, reference()).expect("docs/operating/configuration.md");
    }
    let page = std::fs::read_to_string(PAGE).expect("docs/operating/configuration.md");
    assert!(
        page == reference(),
        "docs/operating/configuration.md is stale; write it anew:\n  UPDATE_DOCS=1 cargo test \
         -p broker-server the_page_in_docs"
    );
}

#[test]
fn the_reference_has_every_setting() {
    let page = reference();
    let names = BROKER_SECTIONS
        .iter()
        .flat_map(|section| section.definitions);
    let names = names.chain(TOPIC_DEFINITIONS.iter().map(|topic| &topic.definition));
    for definition in names {
        assert!(
            page.contains(&format!("| `{}` |", definition.name)),
            "{}",
            definition.name
        );
    }
}

#[test]
fn the_table_shows_values_and_sources() {
    let flags = [("node.id", "7"), ("ssl.key.password", "secret")];
    let config = load("broker.rack: a\n", &[], &flags).expect("valid");
    let table = print(&config.settings, PrintFormat::Table);
    let line = |name: &str| {
        let line = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        line.expect(name).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("NAME"), ["NAME", "VALUE", "SOURCE"]);
    assert_eq!(line("node.id"), ["node.id", "7", "--set", "node.id"]);
    assert_eq!(line("log.dir"), ["log.dir", "./data", "default"]);
    assert_eq!(line("cluster.id"), ["cluster.id", "-", "default"]);
    assert!(line("broker.rack")[2].ends_with(":1"));
    assert_eq!(line("ssl.key.password")[1], "[hidden]");
    assert!(!table.contains("secret"));
}

#[test]
fn json_and_yaml_have_the_same_rows() {
    let settings = load_flags(&[("node.id", "7")]).expect("valid").settings;
    let json: serde_json::Value =
        serde_json::from_str(&print(&settings, PrintFormat::Json)).expect("JSON");
    let yaml: serde_json::Value =
        serde_yaml::from_str(&print(&settings, PrintFormat::Yaml)).expect("YAML");
    assert_eq!(json.as_array().map(Vec::len), yaml.as_array().map(Vec::len));
    assert_eq!(json[0]["name"], "node.id");
    assert_eq!(json[0]["value"], "7");
    assert_eq!(json[0]["source"], "--set node.id");
    assert_eq!(yaml[0]["name"], "node.id");
}
