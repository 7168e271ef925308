//! Where an attack takes place: a host, a neighbour, some bait, and what has to be true afterwards.

use crate::{
    attack::{Attack, Ends},
    log,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::symlink};
use tokio::sync::Semaphore;
use weir_tests::world::{CONFIG_MAPS, On, World, config_map, granted};

/// The most that the process may ever have had in memory, in bytes: two hosts, two APIs, and whatever is compiled, in a debug build. It has had
/// 300 MiB, most of it for what is compiled.
pub(crate) const MEMORY: u64 = 640 << 20;

/// The most that may be logged of one attacker, in bytes. Its manifest allows 4 KiB of its own words a call, and it is called a dozen times; what weir
/// says of its failures is the rest.
pub(crate) const LOG: usize = 256 << 10;

/// The most that is said of one failure, in bytes: a guest's words, a trail of functions, and weir's own.
const SAID: usize = 16 << 10;

/// Attacks at once, however many cores there are, so that [`MEMORY`] means something.
static SEATS: Semaphore = Semaphore::const_new(2);

const NEIGHBOUR: &str = "neighbour";
const ELSEWHERE: &str = "/api/v1/namespaces/elsewhere/configmaps";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// What nobody is granted anything on.
struct Bait(Vec<(String, Value)>);

pub(crate) async fn run(name: &str, attack: Attack) {
    let _seat = SEATS.acquire().await.unwrap();
    log::listen(name);
    let Some(mut world) = World::start(name, On::Embedded).await else { return };
    let bait = Bait::lay(&world).await;
    world.install(NEIGHBOUR, "echo", &granted("", "annotate", "  limits: { time: 60s }"));
    world.run().await;

    world.put(&format!("{name}.yaml"), attack.manifest().as_bytes());
    place(&world, &format!("{name}.wasm"), &attack);
    let mut said = String::new();
    if !attack.meanwhile {
        said = arrival(&world, name, attack.ends).await;
    }
    changes(&world, attack.changes).await;
    if attack.meanwhile {
        said = arrival(&world, name, attack.ends).await;
    }

    let said = match attack.ends {
        Ends::GivenUp => world.await_dead(name).await["error"].as_str().unwrap().to_owned(),
        Ends::Refused => said,
        Ends::Contained => {
            world
                .eventually("the attacker has answered for both objects", async || {
                    let lane = world.lane(name);
                    (lane["ledger"]["acknowledged"] == 2 && lane["queue"]["claimed"] == 0).then_some(())
                })
                .await;
            String::new()
        }
    };
    for words in attack.words {
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
    assert!(said.len() <= SAID, "{} bytes are said", said.len());
    bait.untouched(&world).await;
    judge(&world, name, &attack).await;
    world.stop().await;
}

/// Puts the attacker's file into the directory, as a careful operator would.
fn place(world: &World, file: &str, attack: &Attack) {
    let (fresh, placed) = (world.plugins().join(".fresh"), world.plugins().join(file));
    if let Some(link) = attack.link {
        return symlink(link, placed).unwrap();
    }
    fs::write(&fresh, &attack.file).unwrap();
    if attack.zeros > 0 {
        fs::File::options().write(true).open(&fresh).unwrap().set_len(attack.zeros).unwrap();
    }
    fs::rename(fresh, placed).unwrap();
}

/// Makes so many changes to two objects. Each waits for the neighbour to have been told of the one before.
async fn changes(world: &World, changes: usize) {
    for number in 0..changes {
        let victim = format!("victim-{}", number % 2);
        let changed = match number {
            0 | 1 => world.create_text(&victim, "new").await,
            _ => world.merge(&config_map(&victim), json!({ "data": { "text": format!("change {number}") } })).await,
        };
        let version = number_of(&changed["metadata"]["resourceVersion"]);
        world
            .eventually(format!("the neighbour is told of change {number}"), async || {
                let told = world.mark(&victim, "told").await?;
                (told.parse::<u64>().unwrap() >= version).then_some(())
            })
            .await;
    }
}

/// Until the attacker's file is judged; why it was refused, if it was.
async fn arrival(world: &World, name: &str, ends: Ends) -> String {
    // One of its files, or what it describes.
    let about = [format!("{name}."), format!("describe of {name}:")];
    let is = |text: &&Value| {
        // The manifest comes first, and may be seen alone.
        let words = text.as_str().filter(|text| !text.contains("it has no component beside it"));
        words.is_some_and(|text| about.iter().any(|it| text.contains(it)))
    };
    world
        .eventually(format!("the file is judged: {ends:?}"), async || {
            let status = world.status();
            let files = status["files"].as_array().cloned().unwrap_or_default();
            let refused = files.iter().map(|file| &file["error"]).find(is);
            let problem = status["problems"].as_array().into_iter().flatten().find(is);
            let runs = files.iter().any(|file| file["state"] == "running" && file["handler"] == name);
            match ends {
                Ends::Refused => refused.or(problem).and_then(Value::as_str).map(str::to_owned),
                _ if refused.or(problem).is_some() => panic!("it is refused: {refused:?} {problem:?}"),
                _ => runs.then(String::new),
            }
        })
        .await
}

/// What has to be true of the host, whatever the attack was.
async fn judge(world: &World, name: &str, attack: &Attack) {
    // What a call wrote is seen before it is counted.
    let enough = |lane: &Value| number_of(&lane["calls"]) >= attack.changes as u64;
    world
        .eventually("the neighbour was called for every change", async || enough(&world.lane(NEIGHBOUR)).then_some(()))
        .await;
    if let Some(counter) = &attack.counter {
        let series = counter.replace("NAME", name);
        world.eventually(format!("{series} counts"), async || (world.metric(&series) > 0.0).then_some(())).await;
    }
    let (lane, neighbour) = (world.lane(name), world.lane(NEIGHBOUR));
    assert_eq!(neighbour["failures"], 0, "{neighbour:#}");
    assert_eq!(neighbour["state"], "running", "{neighbour:#}");
    // A change is one of the test's or the neighbour's mark after it, and each may be tried once more.
    let most = attack.calls.unwrap_or(4 * attack.changes as u64);
    let calls = number_of(&lane["calls"]);
    assert!(calls <= most, "the attacker was called {calls} times, more than {most}");
    assert_eq!(calls == 0, attack.ends == Ends::Refused, "the attacker was called {calls} times: {lane:#}");
    // Nobody may do more than mark or patch the objects that changed.
    for request in world.requests().iter().filter(|it| it.user_agent.starts_with("weir") && it.method != "GET") {
        let event = request.path.contains("/events");
        let review = request.path.contains("selfsubjectaccessreviews");
        let patch = request.method == "PATCH" && request.path.starts_with(&format!("{CONFIG_MAPS}/victim-"));
        assert!(event || review || patch, "{request:?}");
    }
    let (log, memory) = (log::written(name), peak());
    println!("{name}: {calls} calls, {log} bytes of log, {} MiB at most", memory >> 20);
    assert!(log <= LOG, "{log} bytes were logged of it");
    assert!(memory <= MEMORY, "the process had {memory} bytes");
}

impl Bait {
    async fn lay(world: &World) -> Bait {
        world.namespace("elsewhere").await;
        let object = |kind: &str| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": "bait" }, "data": { "a": "Yg==" } });
        let mut laid = Vec::new();
        for (path, kind) in [(ELSEWHERE, "ConfigMap"), (SECRETS, "Secret")] {
            laid.push((format!("{path}/bait"), world.create(path, object(kind)).await));
        }
        Bait(laid)
    }

    async fn untouched(&self, world: &World) {
        for (path, laid) in &self.0 {
            assert_eq!(world.get(path).await.as_ref(), Some(laid), "{path}");
        }
        let mut there = Vec::new();
        for path in ["/api/v1/configmaps", "/api/v1/secrets"] {
            there.extend(world.list(path).await.iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()));
        }
        there.sort();
        assert_eq!(there, ["bait", "bait", "victim-0", "victim-1"]);
    }
}

fn number_of(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
