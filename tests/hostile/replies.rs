//! Replies that are too much, or not what they seem.

use crate::{
    attack::Attack,
    guest::Guest,
    reply::{
        Entries, Maybe, Number, action, annotate, answers, answers_list, apply, create, extension, json_patch, label,
        merge, set_status, text,
    },
};

const PATCH: &str = "{ apiVersion: v1, kind: ConfigMap, actions: [patch, apply, create, label] }";
const TOO_LARGE: &[&str] = &["the reply is larger than limits.replyBytes, 1048576 bytes"];

/// One reply of one list: where it is said to be, and how long.
fn list(at: i64, length: i64) -> Guest {
    Guest { pages: 4, ..Guest::handling(&format!("(call $reply (i32.const {at}) (i32.const {length}))")) }
}

/// Six hundred actions that all have the same MiB for a text.
fn amplified() -> Guest {
    let mut actions = vec![set_status(vec![b' '; 1 << 20])];
    actions.extend((0..63).map(|_| set_status("")));
    let copy =
        "(memory.copy (i32.add (i32.const AT) (i32.mul (local.get $n) (i32.const 80))) (i32.const AT) (i32.const 80))";
    answers_list(actions, |at| {
        let copy = copy.replace("AT", &at.to_string());
        format!(
            "(local $n i32) (loop $again (local.set $n (i32.add (local.get $n) (i32.const 1))) {copy}
            (br_if $again (i32.lt_u (local.get $n) (i32.const 600)))) (call $reply (i32.const {at}) (i32.const 600))"
        )
    })
}

/// So many times `open`, and nothing closed.
fn deep(open: &str) -> String {
    format!("{{\"a\":{}", open.repeat(100_000))
}

/// Ten lists of ten lists of ten lists, and so on: a billion nodes.
fn billion() -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: default }\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
    );
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
    }
    text
}

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: default }\n";

corpus! {
    six_hundred_texts_that_are_one_mebibyte => Attack::given_up(&amplified(), TOO_LARGE).hits("replyBytes");
    a_million_empty_actions => Attack::given_up(
        &Guest { pages: 1300, ..list(131_072, 1_000_000) }, TOO_LARGE,
    ).limits("memory: 96Mi").hits("replyBytes");
    a_million_empty_annotations => Attack::given_up(
        &Guest { pages: 400, ..Guest::handling(
            "(i32.store (i32.const 20) (i32.const 131072)) (i32.store (i32.const 24) (i32.const 1000000)) (call $reply (i32.const 16) (i32.const 1))",
        ) },
        TOO_LARGE,
    ).limits("memory: 32Mi").hits("replyBytes");
    one_action_too_many => Attack::given_up(&list(131_072, 65), &["the reply has 65 actions, limits.actions allows 64"]).hits("actions");
    a_list_longer_than_memory => Attack::given_up(&list(131_072, 0x7fff_ffff), &["it broke: list pointer/length out of bounds of memory"]);
    a_list_beyond_memory => Attack::given_up(&list(-80, 1), &["it broke: list pointer/length out of bounds of memory"]);
    a_list_that_is_not_aligned => Attack::given_up(&list(131_073, 1), &["it broke: list pointer is not aligned"]);
    a_reply_beyond_memory => Attack::given_up(&Guest::handling("(i32.const -4)"), &["it broke: pointer out of bounds of memory"]);
    an_action_of_no_kind => Attack::given_up(&answers(vec![action(200, Vec::new())]), &["it broke: unexpected discriminant: 200"]);
    an_option_that_is_neither => Attack::given_up(
        &answers(vec![action(0, vec![Entries(vec![(b"a".to_vec(), Number(7)), (Vec::new(), Number(0))])])]), &["it broke: invalid option discriminant"],
    );
    a_text_that_is_none => Attack::given_up(&answers(vec![annotate("hostile/a", [0xff, 0xfe])]), &["utf-8"]);
    half_a_surrogate => Attack::given_up(&answers(vec![annotate("hostile/a", [0xed, 0xa0, 0x80])]), &["utf-8"]);
    a_patch_nested_too_deep => Attack::given_up(
        &answers(vec![merge(None, deep("["))]), &["action 1 of the reply, patch: it is nested deeper than limits.jsonDepth allows"],
    ).granted(PATCH).hits("jsonDepth");
    a_status_nested_too_deep => Attack::given_up(&answers(vec![set_status(deep("{\"a\":"))]), &["set-status: it is nested deeper than limits.jsonDepth allows"]).hits("jsonDepth");
    a_patch_with_a_number_that_is_none => Attack::given_up(
        &answers(vec![merge(None, r#"{"data":{"a":1e999999}}"#)]), &["the patch is not valid JSON: number out of range"],
    ).granted(PATCH);
    a_patch_that_is_a_list => Attack::given_up(&answers(vec![merge(None, "[]")]), &["the patch has to be a JSON object"]).granted(PATCH);
    a_patch_that_says_its_metadata_twice => Attack::given_up(
        &answers(vec![merge(None, r#"{"metadata":{"labels":{"a":"b"}},"metadata":{"name":"other"}}"#)]), &["the patch changes \"/metadata/name\", which says what object this is"],
    ).granted(PATCH);
    a_patch_without_metadata => Attack::given_up(
        &answers(vec![merge(None, r#"{"metadata":null}"#)]), &["metadata in the patch has to be an object"],
    ).granted(PATCH);
    a_json_patch_that_is_no_list => Attack::given_up(&answers(vec![json_patch("{}")]), &["a JSON patch has to be an array of operations"]).granted(PATCH);
    a_json_patch_of_something => Attack::given_up(&answers(vec![json_patch("[1, 2]")]), &["each operation of a JSON patch needs op and path"]).granted(PATCH);
    a_json_patch_whose_pointer_is_none => Attack::given_up(
        &answers(vec![json_patch(r#"[{"op":"add","path":"nowhere~7","value":1}]"#)]), &["patch on ConfigMap default/victim-"],
    ).granted(PATCH);
    a_manifest_of_two_objects => Attack::given_up(
        &answers(vec![apply(format!("{OBJECT}---\n{OBJECT}"), None, false)]), &["the manifest has 2 objects; answer with one action for each"],
    ).granted(PATCH);
    a_manifest_of_a_billion_nodes => Attack::given_up(&answers(vec![apply(billion(), None, false)]), &["the manifest is not valid YAML"]).granted(PATCH);
    a_manifest_nested_too_deep => Attack::given_up(
        &answers(vec![create(format!("{OBJECT}a: {}", "[".repeat(100_000)))]), &["the manifest is not valid YAML"],
    ).granted(PATCH);
    a_manifest_in_json_nested_too_deep => Attack::given_up(&answers(vec![create(deep("["))]), &["create: it is nested deeper than limits.jsonDepth"]).granted(PATCH).hits("jsonDepth");
    a_manifest_without_a_name => Attack::given_up(
        &answers(vec![create("apiVersion: v1\nkind: ConfigMap\nmetadata: { generateName: a, namespace: default }")]),
        &["metadata.generateName would make another object on every retry"],
    ).granted(PATCH);
    a_manager_that_is_no_name => Attack::given_up(&answers(vec![apply(OBJECT, Some("a&force=true"), false)]), &["the manager \"a&force=true\" may have"]).granted(PATCH);
    an_annotation_whose_key_is_none => Attack::given_up(&answers(vec![annotate("a key/with spaces", "x")]), &["the part of the key", "is not a DNS name"]);
    an_annotation_whose_key_is_long => Attack::given_up(&answers(vec![annotate(&"k".repeat(100_000), "x")]), &["the key \"kkk"]);
    annotations_that_are_too_large => Attack::given_up(
        &answers(vec![annotate("hostile/a", vec![b'a'; 300_000])]), &["300009 bytes of annotations are more than the 262144 of an object"],
    );
    a_label_that_is_no_value => Attack::given_up(&answers(vec![label("hostile/a", "two words")]), &["the label value \"two words\""]).granted(PATCH);
    an_event_whose_reason_is_none => Attack::given_up(
        &answers(vec![crate::reply::emit(None, "not one word", "")]), &["the reason \"not one word\" has to be one CamelCase word"],
    ).granted("{ apiVersion: v1, kind: ConfigMap, actions: [emit] }");
    an_extension_of_no_name => Attack::given_up(&answers(vec![extension("exec", "{}")]), &["this host knows no extension \"exec\""]);
    an_extension_that_is_long => Attack::given_up(&answers(vec![extension(&"x".repeat(500_000), "{}")]), &["this host knows no extension"]);
    a_line_of_nearly_a_mebibyte => Attack::given_up(
        &answers(vec![action(8, vec![Number(2), text(vec![b'x'; 900_000]), Entries(Vec::new())])]), &["log: it has 900000 bytes, limits.actionBytes allows"],
    ).hits("actionBytes");
    an_annotation_removed_that_never_was => Attack::contained(&answers(vec![action(0, vec![Entries(vec![(b"hostile/none".to_vec(), Maybe(None))])])]));
}
