"""The ``hakone`` command: one verb per module, loaded when it is asked for, and one form for every error.

An error is exactly one line on standard error, ``hakone <verb>: <file or key>: <what is wrong>; <what to do>``, with
exit status 2 and no traceback. Set ``HAKONE_TRACEBACK=1`` to see where an unforeseen error came from.
"""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from hakone_sim.errors import InputError

from .errors import ToolError

#: Each verb and the module that has it as ``command``.
VERBS = {
    "generate": "hakone_tools.cmd_generate",
    "build": "hakone_tools.cmd_build",
    "flash": "hakone_tools.cmd_flash",
    "cc": "hakone_tools.cmd_cc",
    "seal": "hakone_tools.cmd_seal",
    "system": "hakone_tools.cmd_system",
    "sim": "hakone_tools.cmd_sim",
    "image": "hakone_tools.cmd_image",
    "upload": "hakone_tools.cmd_upload",
    "headers": "hakone_tools.cmd_headers",
    "doctor": "hakone_tools.cmd_doctor",
}


class VerbGroup(click.Group):
    """Imports a verb's module only when the verb is used: ``hakone doctor`` works where a library is missing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the order of ``VERBS``."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's click command, or None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        try:
            return importlib.import_module(VERBS[cmd_name]).command
        except ModuleNotFoundError as e:
            raise ToolError(cmd_name, f"the Python package {e.name} is missing", "run `make setup`") from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb in the error."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            near = difflib.get_close_matches(args[0], VERBS, 1)
            raise ToolError(
                args[0], "no such verb", f"did you mean {near[0]}?" if near else "`hakone --help` lists them"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, leaving out any that cannot be loaded here."""
        rows = []
        for name in VERBS:
            try:
                verb = self.get_command(ctx, name)
            except ToolError:
                continue
            if verb is not None:
                rows.append((name, verb.get_short_help_str(limit=80)))
        with formatter.section("Verbs"):
            formatter.write_dl(rows)


@click.group(cls=VerbGroup, name="hakone", context_settings={"help_option_names": ["-h", "--help"]})
def hakone() -> None:
    """Generate, program, seal and simulate Hakone systems. `hakone VERB --help` tells more."""


def _verb(error: click.UsageError, arguments: Sequence[str]) -> str:
    """The verb in which a usage error arose, or an empty string for ``hakone`` itself."""
    named = error.ctx.info_name if error.ctx is not None and error.ctx.parent is not None else None
    return named or next((a for a in arguments if a in VERBS), "")


def _usage_line(error: click.UsageError, verb: str) -> str:
    """Culprit, problem and remedy of click's own errors."""
    helps = f"`{' '.join(('hakone', verb)).strip()} --help` lists what is possible"
    if isinstance(error, click.NoSuchOption):
        option = error.option_name
        known = [o for p in error.ctx.command.params for o in p.opts] if error.ctx else []
        near = difflib.get_close_matches(option, [o for o in known if o.startswith("-")], 1)
        return f"{option}: no such option; {f'did you mean {near[0]}?' if near else helps}"
    if isinstance(error, click.BadOptionUsage):
        return f"{error.option_name}: {error.message.rstrip('.').removeprefix('Option ')}; {helps}"
    if isinstance(error, click.MissingParameter):
        name = error.param.get_error_hint(error.ctx) if error.param is not None and error.ctx else "argument"
        return f"{name.strip(chr(39))}: missing; {helps}"
    if isinstance(error, click.BadParameter) and error.param is not None and error.ctx is not None:
        return f"{error.param.get_error_hint(error.ctx).strip(chr(39))}: {error.message.rstrip('.')}; {helps}"
    return f"arguments: {error.format_message().rstrip('.')}; {helps}"


def _fail(verb: str, text: str) -> None:
    """Print the one line and leave."""
    head = f"hakone {verb}".strip()
    click.echo(f"{head}: {' '.join(text.split())}", err=True)
    sys.exit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends the process. A verb's integer result is the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((a for a in arguments if a in VERBS), "")
    result: Any = 0
    try:
        result = hakone.main(arguments, prog_name="hakone", standalone_mode=False)
    except click.UsageError as e:
        if isinstance(e, click.exceptions.NoArgsIsHelpError):
            click.echo(e.format_message())
            sys.exit(2)
        verb = _verb(e, arguments)
        _fail(verb, _usage_line(e, verb))
    except InputError as e:
        _fail("" if e.problem == "no such verb" else verb, str(e))
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"hakone {verb}: stopped", err=True)
        sys.exit(130)
    except OSError as e:
        _fail(verb, f"{e.filename or 'system'}: {e.strerror or e}; check that the path exists and is accessible")
    except Exception as e:
        if os.environ.get("HAKONE_TRACEBACK"):
            raise
        _fail(verb, f"internal error: {type(e).__name__}: {e}; set HAKONE_TRACEBACK=1 to see where, and report it")
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
