use super::*;

/// A machine with a clock that only the test moves, and a chance of one: all waits are the longest.
struct Rig {
    machine: Machine,
    now: Instant,
}

impl Rig {
    fn new(streaming: bool) -> Rig {
        Rig { machine: Machine::new(streaming, 0.0), now: Instant::now() }
    }

    /// Synced by a list at version 10, and watching.
    fn watching() -> Rig {
        let mut rig = Rig::new(false);
        rig.on(Input::Served);
        assert_eq!(rig.on(page("10", None)), [Effect::Complete("10".into())]);
        rig.on(Input::Opened);
        rig
    }

    fn on(&mut self, input: Input) -> Vec<Effect> {
        self.machine.on(input, self.now, 1.0)
    }

    fn after(&mut self, seconds: u64, input: Input) -> Vec<Effect> {
        self.now += Duration::from_secs(seconds);
        self.on(input)
    }

    fn step(&self) -> Step {
        self.machine.step()
    }

    /// The wait that is due, which is then over.
    fn wait(&mut self) -> Duration {
        let Step::Pause(wait) = self.step() else { panic!("no wait, but {:?}", self.step()) };
        self.now += wait;
        assert_eq!(self.on(Input::Woke), []);
        wait
    }
}

fn page(version: &str, token: Option<&str>) -> Input {
    Input::Page { resource_version: version.into(), token: token.map(Into::into) }
}

fn change(version: &str) -> Input {
    Input::Change { resource_version: version.into() }
}

fn bookmark(version: &str, ends_list: bool) -> Input {
    Input::Bookmark { resource_version: version.into(), ends_list }
}

fn failed(trouble: Trouble) -> Input {
    Input::Failed { trouble, in_stream: false, retry_after: None }
}

fn in_stream(trouble: Trouble) -> Input {
    Input::Failed { trouble, in_stream: true, retry_after: None }
}

fn first_page() -> Step {
    Step::Page { token: None, limited: true }
}

fn open_at(step: Step) -> Option<String> {
    let Step::Open { from, .. } = step else { panic!("{step:?}") };
    from
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_through_its_pages_to_a_watch_at_its_version() {
    let mut rig = Rig::new(false);
    assert_eq!(rig.step(), Step::Resolve);
    assert_eq!(rig.on(Input::Served), [Effect::BeginList(Relist::First)]);
    assert_eq!(rig.step(), first_page());
    assert_eq!(rig.on(page("10", Some("t"))), []);
    assert_eq!(rig.step(), Step::Page { token: Some("t".into()), limited: true });
    assert!(!rig.machine.synced());
    assert_eq!(rig.on(page("10", None)), [Effect::Complete("10".into())]);
    assert!(rig.machine.synced());
    assert_eq!(open_at(rig.step()), Some("10".into()));
}

#[tokio::test(start_paused = true)]
async fn any_refusal_in_any_phase_is_followed_by_a_wait_unless_it_falls_back() {
    let phases: [fn() -> Rig; 5] = [
        || Rig::new(false),
        || {
            let mut rig = Rig::new(false);
            rig.on(Input::Served);
            rig
        },
        || {
            let mut rig = Rig::watching();
            rig.after(2, Input::Ended);
            rig
        },
        Rig::watching,
        || {
            let mut rig = Rig::new(true);
            rig.on(Input::Served);
            rig.on(Input::Opened);
            rig
        },
    ];
    for (number, phase) in phases.iter().enumerate() {
        for trouble in [Trouble::Gone, Trouble::Forbidden, Trouble::Missing, Trouble::Refused, Trouble::Other] {
            for in_stream in [false, true] {
                let mut rig = phase();
                let effects = rig.on(Input::Failed { trouble, in_stream, retry_after: None });
                let falls_back = effects.contains(&Effect::NoStreaming);
                assert!(
                    falls_back || matches!(rig.step(), Step::Pause(_)),
                    "phase {number}, {trouble:?}, {:?}",
                    rig.step()
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_the_least_that_is_waited() {
    let mut rig = Rig::watching();
    let retry_after = Some(Duration::from_secs(77));
    rig.on(Input::Failed { trouble: Trouble::Other, in_stream: false, retry_after });
    assert_eq!(rig.wait().as_secs(), 77);
    assert_eq!(open_at(rig.step()), Some("10".into()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_page_is_asked_for_again_and_an_expired_token_ends_paging() {
    let mut rig = Rig::new(false);
    rig.on(Input::Served);
    rig.on(page("10", Some("t")));
    assert_eq!(rig.on(failed(Trouble::Other)), []);
    rig.wait();
    assert_eq!(rig.step(), Step::Page { token: Some("t".into()), limited: true });
    assert_eq!(rig.on(failed(Trouble::Gone)), [Effect::BeginList(Relist::Expired)]);
    assert_eq!(rig.step(), Step::Page { token: None, limited: false });
    // A server that pages although everything was asked for is followed, or the rest would be taken for gone.
    assert_eq!(rig.on(page("12", Some("u"))), []);
    assert_eq!(rig.step(), Step::Page { token: Some("u".into()), limited: false });
    // And if that token expires too, the next list waits.
    assert_eq!(rig.on(failed(Trouble::Gone)), [Effect::BeginList(Relist::Expired)]);
    rig.wait();
    assert_eq!(rig.on(page("13", None)), [Effect::Complete("13".into())]);
}

#[tokio::test(start_paused = true)]
async fn both_forms_of_too_old_lead_to_a_list() {
    for gone in [failed(Trouble::Gone), in_stream(Trouble::Gone)] {
        let mut rig = Rig::watching();
        assert_eq!(rig.on(gone), [Effect::BeginList(Relist::Gone)]);
        rig.wait();
        assert_eq!(rig.step(), first_page());
        assert!(rig.machine.synced(), "what is known is still known");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_closes_at_once_without_news_waits_longer_each_time() {
    let mut rig = Rig::watching();
    let mut waits = Vec::new();
    for _ in 0..7 {
        assert_eq!(rig.on(Input::Ended), [Effect::Restart]);
        waits.push(rig.wait().as_millis());
        rig.on(Input::Opened);
        // Neither a bookmark nor an old event is news.
        rig.on(bookmark("10", false));
        rig.on(change("9"));
    }
    assert_eq!(waits, [800, 1600, 3200, 6400, 12800, 25600, 30000]);
    // One that brought something, or lived, is opened again at once.
    rig.on(change("11"));
    rig.on(Input::Ended);
    assert_eq!(open_at(rig.step()), Some("11".into()));
    rig.on(Input::Opened);
    rig.after(1, Input::Ended);
    assert_eq!(open_at(rig.step()), Some("11".into()));
}

#[tokio::test(start_paused = true)]
async fn what_is_watched_from_never_goes_back() {
    let mut rig = Rig::watching();
    assert_eq!(rig.on(change("12")), [Effect::Advance("12".into())]);
    assert_eq!(rig.on(change("11")), []);
    assert_eq!(rig.on(bookmark("9", false)), []);
    assert_eq!(rig.on(change("")), []);
    assert_eq!(rig.on(bookmark("15", false)), [Effect::Advance("15".into())]);
    rig.after(2, Input::Ended);
    assert_eq!(open_at(rig.step()), Some("15".into()));
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_given_up_after_its_time_and_a_little() {
    let mut rig = Rig::watching();
    let began = rig.now;
    assert_eq!(rig.step(), Step::Read(began + Duration::from_secs(245)));
    rig.after(100, bookmark("11", false));
    assert_eq!(rig.step(), Step::Read(began + Duration::from_secs(345)));
    assert_eq!(rig.after(245, Input::Silent), [Effect::Restart]);
    let Step::Open { from, timeout } = rig.step() else { panic!("{:?}", rig.step()) };
    assert_eq!((from.as_deref(), timeout.as_secs()), (Some("11"), 290));
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_ends_with_its_bookmark_and_goes_on_as_the_watch() {
    let mut rig = Rig::new(true);
    rig.on(Input::Served);
    assert_eq!(open_at(rig.step()), None);
    rig.on(Input::Opened);
    let began = rig.now;
    assert_eq!(rig.step(), Step::Read(began + STREAMING_AT_LEAST));
    assert_eq!(rig.after(25, change("4")), [], "what it brings says nothing about where the list is");
    assert_eq!(rig.step(), Step::Read(began + Duration::from_secs(35)));
    assert_eq!(rig.on(bookmark("20", false)), []);
    assert_eq!(rig.on(bookmark("20", true)), [Effect::Complete("20".into())]);
    assert_eq!(rig.on(change("21")), [Effect::Advance("21".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streaming_lists_is_remembered() {
    for input in [failed(Trouble::Refused), failed(Trouble::Gone), in_stream(Trouble::Other), Input::Silent] {
        let mut rig = Rig::new(true);
        rig.on(Input::Served);
        if input != failed(Trouble::Refused) {
            rig.on(Input::Opened);
        }
        assert_eq!(rig.on(input), [Effect::BeginList(Relist::Fallback), Effect::NoStreaming]);
        assert_eq!(rig.step(), first_page());
        rig.on(page("10", None));
        rig.on(failed(Trouble::Gone));
        rig.wait();
        assert_eq!(rig.step(), first_page());
    }
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_that_breaks_is_tried_again_and_then_done_in_pages_this_once() {
    let mut rig = Rig::new(true);
    rig.on(Input::Served);
    for input in [failed(Trouble::Other), Input::Ended] {
        if input == Input::Ended {
            rig.on(Input::Opened);
        }
        assert_eq!(rig.on(input), [Effect::BeginList(Relist::Retry)]);
        rig.wait();
        assert_eq!(open_at(rig.step()), None);
    }
    assert_eq!(rig.on(failed(Trouble::Other)), [Effect::BeginList(Relist::Fallback)]);
    rig.wait();
    assert_eq!(rig.step(), first_page());
    rig.on(page("10", None));
    rig.on(failed(Trouble::Gone));
    rig.wait();
    assert_eq!(open_at(rig.step()), None, "streaming again");
}

#[tokio::test(start_paused = true)]
async fn a_missing_path_is_looked_up_again_before_anything_is_said_to_be_gone() {
    let mut rig = Rig::watching();
    assert_eq!(rig.on(failed(Trouble::Missing)), [Effect::ForgetKind]);
    rig.wait();
    assert_eq!(rig.step(), Step::Resolve);
    assert_eq!(rig.on(Input::NotServed { confirmed: false }), []);
    assert_eq!(rig.machine.doing(), "waiting for kind");
    rig.on(Input::Woke);
    assert_eq!(rig.step(), Step::Resolve);
    assert_eq!(rig.on(Input::NotServed { confirmed: true }), [Effect::KindGone]);
    rig.on(Input::DefinitionsChanged);
    assert_eq!(rig.on(Input::Served), [Effect::BeginList(Relist::Kind)]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_kind_is_asked_for_less_and_less_until_a_definition_changes() {
    let mut rig = Rig::new(false);
    let ask = |rig: &mut Rig, input| {
        assert_eq!(rig.on(Input::NotServed { confirmed: false }), []);
        let Step::AwaitKind(wait) = rig.step() else { panic!("{:?}", rig.step()) };
        rig.on(input);
        assert_eq!(rig.step(), Step::Resolve);
        wait.as_secs()
    };
    let waits: Vec<u64> = (0..7).map(|_| ask(&mut rig, Input::Woke)).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    ask(&mut rig, Input::DefinitionsChanged);
    assert_eq!(ask(&mut rig, Input::Woke), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_from_the_past_is_refused_so_many_times() {
    let mut rig = Rig::watching();
    rig.on(failed(Trouble::Gone));
    rig.wait();
    for time in 1..=STALE_LISTS {
        assert!(!rig.machine.accepts("9"));
        let effects = rig.on(page("9", None));
        assert_eq!(effects.contains(&Effect::WentBack), time == STALE_LISTS);
        rig.wait();
    }
    assert!(rig.machine.accepts("9"));
    assert_eq!(rig.on(page("9", None)), [Effect::Complete("9".into())]);
    assert!(!rig.machine.accepts("8"), "from then on the order holds again");
}

#[tokio::test(start_paused = true)]
async fn forbidden_is_asked_again_slowly() {
    let mut rig = Rig::watching();
    for _ in 0..3 {
        assert_eq!(rig.on(failed(Trouble::Forbidden)), []);
        assert_eq!(rig.wait().as_secs(), 45);
        assert_eq!(open_at(rig.step()), Some("10".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_list_from_before_what_was_told_is_asked_for_again_unless_the_api_insists() {
    let mut rig = Rig::new(false);
    rig.machine.expect("100".into());
    rig.on(Input::Served);
    for time in 1..STALE_LISTS {
        assert_eq!(rig.on(page("99", None)), [Effect::BeginList(Relist::Stale)], "{time}");
        assert!(!rig.machine.synced());
        rig.wait();
    }
    assert!(rig.on(page("99", None)).contains(&Effect::WentBack));
    rig.wait();
    assert_eq!(rig.on(page("99", None)), [Effect::Complete("99".into())]);
    assert_eq!(rig.machine.step(), Step::Open { from: Some("99".into()), timeout: rig.machine.timeout });
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_from_before_what_was_told_is_not_taken_either() {
    let mut rig = Rig::new(true);
    rig.machine.expect("100".into());
    rig.on(Input::Served);
    rig.on(Input::Opened);
    assert_eq!(rig.on(bookmark("99", true)), [Effect::BeginList(Relist::Stale)]);
    rig.wait();
    assert_eq!(rig.on(page("100", None)), [Effect::Complete("100".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_confirmed_gone_before_anything_was_listed_is_gone() {
    let mut rig = Rig::new(false);
    assert_eq!(rig.on(Input::NotServed { confirmed: false }), []);
    rig.on(Input::Woke);
    assert_eq!(rig.on(Input::NotServed { confirmed: true }), [Effect::KindGone]);
    rig.on(Input::DefinitionsChanged);
    assert_eq!(rig.on(Input::Served), [Effect::BeginList(Relist::First)]);
}
