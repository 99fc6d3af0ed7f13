//! `holdfast-ctl completion`.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, Said, said};

#[derive(Args)]
#[command(
    after_help = "bash: source <(holdfast-ctl completion bash)\nzsh:  holdfast-ctl completion zsh > \"${fpath[1]}/_holdfast-ctl\"\nfish: holdfast-ctl completion fish | source"
)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Writes it for a shell.
pub fn completion(args: &CompletionArgs) -> Said {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "holdfast-ctl", &mut script);
    said(true, String::from_utf8_lossy(&script).into_owned())
}
