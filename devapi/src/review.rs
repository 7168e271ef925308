//! Questions about permissions. Nothing is forbidden here, so every answer is yes; nothing is stored.

use http::Method;
use serde_json::{Value, json};

use crate::{request::Request, status::Failure};

/// What can be asked: where, the resource, the kind.
pub(crate) const REVIEWS: [(&str, &str, &str); 3] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
];

/// The answer to a review, if the path is one's.
pub(crate) fn answer(request: &Request, path: &str) -> Option<Result<Value, Failure>> {
    let (_, plural, _) = REVIEWS.iter().find(|(group, plural, _)| path == format!("/apis/{group}/v1/{plural}"))?;
    if request.method != Method::POST {
        return Some(Err(Failure::method_not_allowed("a review can only be created")));
    }
    Some(request.object().map(|mut review| {
        let status = match *plural {
            "selfsubjectaccessreviews" => {
                json!({ "allowed": true, "reason": "this development server allows everything" })
            }
            "selfsubjectrulesreviews" => json!({
                "incomplete": false, "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
                "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
            }),
            _ => json!({ "userInfo": { "username": "system:admin", "groups": ["system:masters"] } }),
        };
        review.insert("status".into(), status);
        Value::Object(review)
    }))
}
