//! weir's informers on the embedded API under random changes and random faults: whatever goes wrong on the way, in the end the caches have
//! what the API has, and what was told on the way is a history without gaps.
//!
//! The seed is printed when a run fails, and taken from `WEIR_SEED`.

use super::oracle::{all_pods, informers_over, noting};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    time::Duration,
};
use weir::watch::{Delta, Mode, ObjectKey, WatchMetrics, WatchSettings, WatchSpec, Whereabouts, older};
use weir_devapi::{DevApi, Effect, Fault, Options};

/// How many seeds one run tries, unless one is given.
const RUNS: u64 = 12;
const STEPS: usize = 250;
const PATH: &str = "/api/v1";

#[test]
fn whatever_goes_wrong_the_caches_end_up_with_what_the_api_has() {
    #[expect(clippy::disallowed_methods, reason = "a test takes its seed back from the environment")]
    let given = std::env::var("WEIR_SEED").ok();
    let seeds = match given {
        Some(seed) => vec![seed.parse().expect("WEIR_SEED is a number")],
        None => (0..RUNS).map(|_| rand::random()).collect(),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(run(seed));
        }));
        assert!(run.is_ok(), "the caches are wrong (above): run again with WEIR_SEED={seed}");
    }
}

fn spec(label_selector: &str, mode: Mode) -> WatchSpec {
    WatchSpec { kind: "ConfigMap".into(), label_selector: label_selector.into(), mode, ..all_pods() }
}

async fn run(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let api = DevApi::new(Options { bookmark_every: Duration::from_secs(20), ..Options::default() });
    let client = Client::new(api.service(), "default");
    let settings = WatchSettings { page_size: 3, streaming_lists: dice.random(), ..WatchSettings::default() };
    let (informers, ..) = informers_over(client.clone(), settings, WatchMetrics::default());
    let kinds: Vec<_> = [spec("", Mode::Whole), spec("app=web", Mode::Whole), spec("", Mode::Metadata)]
        .iter()
        .map(|spec| noting(&informers, spec))
        .collect();

    // Faults meet only the informers: they ask for all namespaces, the test for one.
    let maps = Api::<ConfigMap>::namespaced(client, "default");
    for _ in 0..STEPS {
        change(&mut dice, &maps).await;
        if dice.random_bool(0.3) {
            fault(&mut dice, &api);
        }
        if dice.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..20_000))).await;
        }
    }
    api.faults().clear();
    tokio::time::sleep(Duration::from_secs(600)).await;

    let there: BTreeMap<String, ConfigMap> =
        maps.list(&ListParams::default()).await.unwrap().into_iter().map(|map| (map.name_any(), map)).collect();
    for ((source, told), selects) in kinds.iter().zip([false, true, false]) {
        let expected: BTreeMap<String, String> = there
            .iter()
            .filter(|(_, map)| !selects || map.labels().get("app").is_some_and(|app| app == "web"))
            .map(|(name, map)| (name.clone(), map.resource_version().unwrap()))
            .collect();
        let cached = source.objects().into_iter().filter(|object| object.key().namespace.as_deref() == Some("default"));
        let cached: BTreeMap<String, String> =
            cached.map(|object| (object.key().name.to_string(), object.resource_version().to_owned())).collect();
        assert_eq!(cached, expected, "seed {seed}");
        let told = told.lock().unwrap().clone();
        without_gaps(&told);
        for Delta { key, before, now } in &told {
            let (Some(last), None, None) = (before, now, source.get(key)) else { continue };
            let lives = there.get(&*key.name).is_some_and(|map| map.uid().as_deref() == Some(last.uid()));
            let whereabouts = if lives { Whereabouts::Left } else { Whereabouts::Deleted };
            assert_eq!(source.whereabouts(key, last.uid()).await.unwrap(), whereabouts, "{key}, seed {seed}");
        }
    }
}

async fn change(dice: &mut StdRng, maps: &Api<ConfigMap>) {
    let name = format!("m{}", dice.random_range(0..12));
    let app = if dice.random() { "web" } else { "db" };
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": name, "labels": {"app": app}},
        "data": {"n": dice.random::<u32>().to_string()}}))
    .unwrap();
    let exists = maps.get_opt(&name).await.unwrap().is_some();
    let what = dice.random_range(0..4);
    if exists && what < 2 {
        maps.delete(&name, &Default::default()).await.unwrap();
    }
    match (exists, what) {
        (true, 0) => {}
        (true, 2..) => drop(maps.replace(&name, &PostParams::default(), &map).await.unwrap()),
        _ => drop(maps.create(&PostParams::default(), &map).await.unwrap()),
    }
}

fn fault(dice: &mut StdRng, api: &DevApi) {
    let status = |code, reason: &str| Effect::Status {
        code,
        reason: reason.to_owned(),
        message: "random".to_owned(),
        retry_after: None,
    };
    let faults = api.faults();
    let (watch, effect) = match dice.random_range(0..10) {
        0 => return faults.cut_watches(PATH),
        1 => return api.compact(),
        2 => return faults.silence_watches(&format!("{PATH}/configmaps"), dice.random()),
        3 => (Some(true), Effect::HttpGone),
        4 => (Some(true), Effect::InStreamGone),
        5 => (None, status(500, "InternalError")),
        6 => (Some(false), status(429, "TooManyRequests")),
        7 => (None, Effect::CutAfterBytes(dice.random_range(0..4000))),
        8 => (None, Effect::DropConnection),
        _ => (Some(false), Effect::Delay(Duration::from_secs(5))),
    };
    faults.inject(Fault {
        method: Some("GET".into()),
        path_contains: format!("{PATH}/configmaps"),
        watch,
        times: dice.random_range(1..4),
        effect,
    });
    // So that the fault is met.
    faults.cut_watches(PATH);
}

/// Every change begins where the one before ended, and no object goes back.
fn without_gaps(told: &[Delta]) {
    let mut known: HashMap<ObjectKey, weir::watch::Object> = HashMap::new();
    let state = |object: Option<&weir::watch::Object>| {
        object.map(|object| (object.uid().to_owned(), object.resource_version().to_owned()))
    };
    for Delta { key, before, now } in told {
        assert_eq!(state(known.get(key)), state(before.as_ref()), "a gap before {now:?}");
        assert!(before.is_some() || now.is_some());
        if let (Some(before), Some(now)) = (before, now) {
            assert!(older(before.resource_version(), now.resource_version()), "{before:?} became {now:?}");
        }
        match now {
            Some(now) => known.insert(key.clone(), now.clone()),
            None => known.remove(key),
        };
    }
}
