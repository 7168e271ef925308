//! Requests to where nothing is granted, by every detour.

use crate::{
    attack::Attack,
    reply::{Action, answers, http, text},
};

/// Where it may send requests, in `grants.http`.
const HOOK: &str = "\"https://hooks.example.org/services/T0/\"";

fn to(url: &str) -> Attack {
    attack(vec![http("POST", url, Vec::new(), "x")], &["not granted: http POST"])
}

fn unreadable(url: &str, words: &'static [&'static str]) -> Attack {
    attack(vec![http("POST", url, Vec::new(), "x")], words)
}

fn attack(actions: Vec<Action>, words: &'static [&'static str]) -> Attack {
    Attack::given_up(&answers(actions), words).http(HOOK)
}

fn headed(headers: &[(&str, &str)], words: &'static [&'static str]) -> Attack {
    let headers = headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), text(value))).collect();
    attack(vec![http("POST", "https://hooks.example.org/services/T0/a", headers, "x")], words)
}

corpus! {
    asks_the_host_itself => to("http://127.0.0.1:10250/pods");
    asks_the_host_itself_in_ipv6 => to("http://[::ffff:127.0.0.1]/");
    asks_the_clouds_metadata => to("http://169.254.169.254/latest/meta-data/");
    asks_beside_what_is_granted => to("https://hooks.example.org/services/T1/");
    asks_another_port => to("https://hooks.example.org:8443/services/T0/");
    asks_without_encryption => to("http://hooks.example.org/services/T0/");
    asks_a_longer_name => to("https://hooks.example.org.evil.example/services/T0/");
    asks_in_capitals => to("HTTPS://HOOKS.EXAMPLE.ORG/SERVICES/T0/");
    names_a_user => unreadable("https://hooks.example.org@127.0.0.1/services/T0/", &["the URL", "user"]);
    writes_an_address_as_a_number => unreadable("http://2130706433/", &["its host is a number"]);
    climbs_out_of_what_is_granted => unreadable("https://hooks.example.org/services/T0/../T1/", &["the URL"]);
    climbs_out_of_what_is_granted_in_code => unreadable("https://hooks.example.org/services/T0/%2e%2e%2fT1/", &["the URL"]);
    hides_its_way_behind_a_backslash => unreadable("https://hooks.example.org\\@127.0.0.1/", &["a character that a URL cannot have"]);
    reads_a_file => unreadable("file:///etc/passwd", &["its scheme is neither https nor http"]);
    uses_a_method_of_its_own => attack(vec![http("CONNECT", "https://hooks.example.org/services/T0/a", Vec::new(), "")], &["the method \"CONNECT\" is none of"]);
    says_which_host_it_is => headed(&[("Host", "other.example.org")], &["the header host is weir's to set"]);
    smuggles_a_header => headed(&[("x", "a\r\nHost: other.example.org")], &["the value of the header x is none"]);
    smuggles_a_header_in_a_name => headed(&[("x: y\r\nHost", "other.example.org")], &["is no name of a header"]);
    has_many_headers => headed(&[("x", "y"); 65], &["65 headers are more than 64"]);
    sends_too_much => attack(
        vec![http("POST", "https://hooks.example.org/services/T0/a", Vec::new(), vec![b'x'; 300_000])], &["300043 bytes, limits.httpRequestBytes allows 262144"],
    );
    asks_for_a_secret_it_was_not_given => unreadable("https://hooks.example.org/services/T0/${env:HOOK_SECRET}", &["http"]);
}
