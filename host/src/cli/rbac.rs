//! `weir rbac`: the least roles with which weir can run the handlers of a directory.
//!
//! A cluster is asked only for kinds that neither Kubernetes itself nor a definition given with `-f` has.

use super::{ClusterArgs, UsageError, dev::object_files, run::user_agent};
use crate::{
    app::{self, KnownKinds},
    ops::cluster::ClusterChoice,
    rights::{self, Account, Format, Roles},
};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::{collections::BTreeSet, error::Error, path::PathBuf, time::Duration};

/// How long a cluster is waited for that may know a kind.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct RbacArgs {
    /// Directory of handlers, as `weir run --plugins` takes it
    #[arg(value_name = "DIR")]
    plugins: PathBuf,
    /// As given to `weir run`: confine handlers that name no namespaces to these; may be given more than once
    #[arg(short, long = "namespace", value_name = "NS")]
    namespaces: Vec<String>,
    /// Bind the roles to the service account that weir runs as
    #[arg(long, value_name = "NS/NAME")]
    service_account: Option<Account>,
    /// Name of the roles and their bindings
    #[arg(long, value_name = "NAME", default_value = "weir")]
    name: String,
    /// Definitions of custom resources: a YAML or JSON file, or a directory of them; may be given more than once
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Output,
    /// Directory for compiled components; private to this user. Default: none
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Yaml,
    Json,
}

pub(super) fn run(arguments: RbacArgs) -> Result<(), Box<dyn Error>> {
    if !arguments.plugins.is_dir() {
        let plugins = arguments.plugins.display();
        return Err(UsageError(format!("{plugins}: there is no such directory; give that of the handlers")).into());
    }
    let definitions = definitions(&arguments.files)?;
    let choice = arguments.cluster.choice();
    super::runtime()?.block_on(async {
        let manifests = app::manifests(&arguments.plugins, arguments.cache_dir).await?;
        let mut kinds = KnownKinds::new(&definitions)?;
        let missing = kinds.look_up(&manifests).await;
        if !missing.is_empty() {
            ask(&choice, &mut kinds, missing).await?;
        }
        let needs = kinds.rights(&manifests, &arguments.namespaces);
        let roles = Roles {
            name: arguments.name,
            account: arguments.service_account,
            rules: rights::rules(&needs),
            handlers: manifests.into_iter().map(|manifest| manifest.name).collect(),
        };
        let format = match arguments.output {
            Output::Yaml => Format::Yaml,
            Output::Json => Format::Json,
        };
        print!("{}", roles.print(format));
        Ok(())
    })
}

/// Asks the cluster that is meant for what is not known here.
async fn ask(
    choice: &ClusterChoice,
    kinds: &mut KnownKinds,
    missing: BTreeSet<(String, String)>,
) -> Result<(), String> {
    let asked = async {
        let cluster = choice.connect(&user_agent()).await.map_err(|error| super::chain(&error))?;
        let answer = kinds.ask(&cluster.client, missing.clone()).await;
        let url = cluster.url;
        Ok::<_, String>((answer.map_err(|error| format!("{url}: {}", super::chain(&error)))?, url))
    };
    let told = tokio::time::timeout(PATIENCE, asked).await;
    let told = told.unwrap_or_else(|_| Err(format!("the cluster did not answer within {} s", PATIENCE.as_secs())));
    let (missing, why) = match told {
        Ok((missing, _)) if missing.is_empty() => return Ok(()),
        Ok((missing, url)) => (missing, format!("{url} does not serve it")),
        Err(why) => (missing, why),
    };
    let kinds: Vec<String> = missing.into_iter().map(|(api_version, kind)| format!("{api_version} {kind}")).collect();
    Err(format!(
        "no resource is known for {}: it is none of Kubernetes' own or of the definitions given, and a cluster did not help ({why}); \
         give its CustomResourceDefinition with -f FILE, or a cluster that serves it with --kubeconfig, --context, --server or --in-cluster",
        kinds.join(", ")
    ))
}

/// The definitions among the objects of files.
fn definitions(files: &[PathBuf]) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut definitions = Vec::new();
    for file in object_files(files)? {
        let objects = super::call::objects(&file)?;
        definitions.extend(objects.into_iter().filter(|it| it["kind"] == "CustomResourceDefinition"));
    }
    if definitions.is_empty() && !files.is_empty() {
        return Err(UsageError("-f: there is no CustomResourceDefinition in what was given".to_owned()).into());
    }
    Ok(definitions)
}
