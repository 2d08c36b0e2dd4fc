//! `convex-doctor demo`: serves a recorded deployment inside of the process, and diagnoses it like
//! the user's own.

use super::{Exit, Options, diagnose};
use crate::collect::{self, Request};
use crate::demo::{SCENARIOS, Stage};
use crate::diagnosis::{self, Choices};
use crate::output;

/// Which recorded deployment.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  convex-doctor demo
  convex-doctor demo --list
  convex-doctor demo --format markdown")]
pub(super) struct Arguments {
    /// Scenario [default: stale-key]
    scenario: Option<String>,
    /// List the scenarios
    #[arg(long)]
    list: bool,
}

/// Shows one scenario. The exit code is the one a diagnosis has.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    if arguments.list {
        let mut text = String::new();
        for scenario in SCENARIOS {
            text.push_str(&format!("{:<22} {}\n", scenario.name, scenario.world()?.title));
        }
        output::show(&text)?;
        return Ok(Exit::Fine);
    }
    let wanted = arguments.scenario.as_deref().unwrap_or(SCENARIOS[0].name);
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == wanted) else {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        output::note(&format!(
            "error: unknown scenario `{wanted}`. There are: {}",
            names.join(", ")
        ));
        return Ok(Exit::Usage);
    };
    let world = scenario.world()?;
    if let Err(problem) = diagnose::check(options) {
        output::note(&format!("error: {problem}"));
        return Ok(Exit::Usage);
    }
    let outputs = diagnose::outputs(options);
    diagnose::check_outputs(&outputs)?;
    output::note(&format!(
        "Demo \"{}\": a recorded deployment; your project is not touched.\n\
         Do not run the commands below: they would act on your own project.\n",
        scenario.name
    ));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let evidence = runtime.block_on(async {
        let stage = Stage::raise(&world, &scenario.files()).await?;
        let mut request = Request {
            environment: Some(stage.environment.clone()),
            no_network: options.reach.no_network,
            timeout: options.reach.timeout,
            ..Request::default()
        };
        request.project.directory = Some(stage.directory.clone());
        request.docker.no_docker = options.reach.no_docker;
        collect::look_at_all(&request).await
    })?;
    let choices =
        Choices { ignore: options.report.ignore.clone(), only: options.report.only.clone() };
    let report = diagnosis::diagnose(&evidence, &choices);
    diagnose::write(options, &outputs, &report)?;
    Ok(diagnose::exit(options, &report))
}
