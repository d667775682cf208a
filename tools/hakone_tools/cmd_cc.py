"""``hakone cc``: compiles bare-metal C or assembly with the right flags, start-up and linker script."""

import click

from .compiler import Options, compile_program
from .outputs import refuse_overwriting

LEVELS = ("0", "1", "2", "3", "s", "z", "fast")
_EPILOG = (
    "The compiler is clang from the ziglang package; HAKONE_CC names another riscv32 gcc or clang. "
    "Programs link at the start of RAM and end by returning from main: 0 is a pass, 1 to 99 a code of their own."
)


@click.command("cc", help="Compile bare-metal C or assembly.", epilog=_EPILOG)
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option("-o", "output", required=True, metavar="F.elf", help="program file to write")
@click.option("-O", "optimise", default="2", show_default=True, type=click.Choice(LEVELS), help="optimisation")
@click.option("-D", "defines", multiple=True, metavar="NAME[=VALUE]", help="define a macro")
@click.option("-I", "includes", multiple=True, metavar="FOLDER", help="look for headers there")
@click.option("-W", "warnings", multiple=True, metavar="WARNING", help="passed on, as are -f, -m and -std")
@click.option("-f", "features", multiple=True, hidden=True)
@click.option("-m", "machine", multiple=True, hidden=True)
@click.option("-std", "standard", hidden=True)
@click.option("-g", "debug", is_flag=True, hidden=True, help="always on")
@click.option("-c", "compile_only", is_flag=True, hidden=True)
@click.option("--linker-script", "script", metavar="F", help="in place of firmware/lib/plain.ld")
@click.option("--no-startup", is_flag=True, help="the program has its own _start")
@click.option(
    "--sealed", is_flag=True, help="link for `hakone seal`: protected regions, and the monitor that starts it"
)
@click.option("--heap-bytes", type=click.IntRange(0), help="size of the heap  [default: 65536]")
@click.option("--stack-bytes", type=click.IntRange(64), help="size of the stack  [default: 16384]")
def command(
    sources: tuple[str, ...],
    output: str,
    optimise: str,
    defines: tuple[str, ...],
    includes: tuple[str, ...],
    warnings: tuple[str, ...],
    features: tuple[str, ...],
    machine: tuple[str, ...],
    standard: str | None,
    debug: bool,
    compile_only: bool,
    script: str | None,
    no_startup: bool,
    sealed: bool,
    heap_bytes: int | None,
    stack_bytes: int | None,
) -> None:
    """Compile and link."""
    if compile_only:
        raise click.BadOptionUsage("-c", "only whole programs are compiled")
    flags = [f"-W{w}" for w in warnings] + [f"-f{f}" for f in features] + [f"-m{m}" for m in machine]
    flags += [f"-std={standard}"] if standard else []
    options = Options(
        optimise=optimise,
        defines=defines,
        includes=includes,
        flags=tuple(flags),
        linker_script=script,
        startup=not no_startup,
        sealed=sealed,
        heap_bytes=heap_bytes,
        stack_bytes=stack_bytes,
    )
    refuse_overwriting([output], [*sources, *([script] if script else [])])
    compile_program(sources, output, options)
