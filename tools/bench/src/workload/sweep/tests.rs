use super::*;

fn axes(texts: &[&str]) -> Vec<Axis> {
    texts.iter().map(|it| it.parse().unwrap()).collect()
}

fn names(sweep: &Sweep) -> Vec<String> {
    sweep.points().iter().map(Point::to_string).collect()
}

#[test]
fn points_are_all_combinations_in_order() {
    let sweep = Sweep::new(axes(&["rate=1k,2k", "size=100,1KiB"])).unwrap();
    assert_eq!(
        names(&sweep),
        [
            "rate=1k size=100",
            "rate=1k size=1KiB",
            "rate=2k size=100",
            "rate=2k size=1KiB",
        ]
    );
    let mut workload = Workload::default();
    sweep.points()[1].apply(&mut workload);
    assert_eq!((workload.rate, workload.size), (Rate(1_000.0), Size(1_024)));
    assert_eq!(names(&Sweep::default()), [""]);
}

#[test]
fn all_fields_can_be_swept() {
    let texts = [
        "rate=5k",
        "size=9",
        "partitions=3",
        "producers=4",
        "consumer-groups=5",
        "batch-records=6",
        "acks=1",
        "compression=zstd",
        "keys=zipf:10:1.1",
        "topics=7",
        "window=8",
    ];
    let points = Sweep::new(axes(&texts)).unwrap().points();
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].to_string(), texts.join(" "));
    let mut workload = Workload::default();
    points[0].apply(&mut workload);
    let expected = Workload {
        rate: Rate(5_000.0),
        size: Size(9),
        partitions: 3,
        producers: 4,
        consumer_groups: 5,
        batch_records: 6,
        acks: Acks::Leader,
        compression: Compression::Zstd,
        keys: "zipf:10:1.1".parse().unwrap(),
        topics: 7,
        window: 8,
        ..Workload::default()
    };
    assert_eq!(workload, expected);
}

#[test]
fn what_is_none_is_named() {
    for (text, said) in [
        ("rate", "NAME=VALUE"),
        ("rate=", "is not a rate"),
        ("rate=1k,fast", "fast"),
        ("seed=1,2", "cannot be swept"),
        ("acks=0", "all or 1"),
        ("partitions=-", "partitions"),
        ("compression=lzma", "lzma"),
        ("rate=1k,1000", "1000 is 1k again"),
    ] {
        let error = text.parse::<Axis>().unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn a_sweep_has_bounds() {
    let numbers = |count: usize| {
        let numbers: Vec<String> = (1..=count).map(|it| it.to_string()).collect();
        numbers.join(",")
    };
    let many = format!("rate={}", numbers(RUNS_MAX + 1));
    assert!(many.parse::<Axis>().is_err());
    let rates = format!("rate={}", numbers(20));
    let fits = format!("size={}", numbers(10));
    let too_many = format!("size={}", numbers(11));
    assert_eq!(
        Sweep::new(axes(&[&rates, &fits])).unwrap().points().len(),
        200
    );
    let error = Sweep::new(axes(&[&rates, &too_many]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("220 runs"), "{error}");
    let error = Sweep::new(axes(&["rate=1", "rate=2"]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("rate is swept twice"), "{error}");
}

#[test]
fn a_file_has_a_map_of_lists_in_order() {
    let text = "
        size: 100
        sweep:
          window: [8, 64]
          rate: [1k, 2000, 1.5k]
          consumer_groups: [0]
          acks: [1, all]
          keys: [none, 'uniform:5']
    ";
    let workload: Workload = serde_yaml::from_str(text).unwrap();
    let names = names(&workload.sweep);
    assert_eq!(names.len(), 24);
    assert_eq!(
        names[0],
        "window=8 rate=1k consumer-groups=0 acks=1 keys=none"
    );
    assert!(
        names[23].starts_with("window=64 rate=1.5k"),
        "{}",
        names[23]
    );
}

#[test]
fn a_file_with_a_wrong_sweep_says_what_is_wrong() {
    for (text, said) in [
        ("sweep: {rate: []}", "0 values"),
        ("sweep: {rate: [fast]}", "fast"),
        ("sweep: {speed: [1]}", "cannot be swept"),
        ("sweep: [1]", "mapping"),
        ("sweep: {batch_records: [1], batch-records: [2]}", "twice"),
    ] {
        let error = serde_yaml::from_str::<Workload>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn flags_override_axes_of_a_file() {
    let file = Sweep::new(axes(&["rate=1,2", "size=1,2", "window=1,2"])).unwrap();
    let sweep = file
        .overridden_by(&axes(&["rate=7"]), &[Swept::Size])
        .unwrap();
    assert_eq!(names(&sweep), ["window=1 rate=7", "window=2 rate=7"]);
}
