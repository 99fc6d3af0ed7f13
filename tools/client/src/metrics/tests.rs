use super::*;

const PAGE: &str = r#"# HELP holdfast_disk_refusing 1 while refused.
# TYPE holdfast_disk_refusing gauge
holdfast_disk_refusing{directory="/a"} 0
holdfast_disk_refusing{directory="/b"} 1
holdfast_disk_refusing_other 7
holdfast_io_engine{engine="threads",fallback_reason="EPERM: \"blocked\"\nhere"} 1
holdfast_connections 3.5e1 1700000000000
"#;

#[test]
fn values_are_found_by_name() {
    let refusing: Vec<Sample> = samples(PAGE, "holdfast_disk_refusing").collect();
    let told: Vec<(&str, f64)> = refusing
        .iter()
        .map(|it| (it.label("directory"), it.value))
        .collect();
    assert_eq!(told, [("/a", 0.0), ("/b", 1.0)]);
    let connections = samples(PAGE, "holdfast_connections").next();
    assert_eq!(connections.map(|it| it.value), Some(35.0));
    assert_eq!(samples(PAGE, "holdfast").count(), 0);
}

#[test]
fn labels_are_unquoted() {
    let engine = samples(PAGE, "holdfast_io_engine").next().expect("a value");
    assert_eq!(engine.label("engine"), "threads");
    assert_eq!(engine.label("fallback_reason"), "EPERM: \"blocked\"\nhere");
    assert_eq!(engine.label("nothing"), "");
}
