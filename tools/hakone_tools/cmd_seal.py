"""``hakone seal``: encrypts the protected regions of a program for the boot records of a chip."""

import click

from .errors import ToolError
from .image import read_elf
from .outputs import refuse_overwriting, write_all
from .paths import FIRMWARE
from .policy import load_policy
from .sealing import RandomKeys, SeededKeys, seal

_EPILOG = (
    "The fuse image holds the keys: whoever reads it reads the program. Keys are fresh each time; --seed gives keys "
    "that everyone can repeat, and --plaintext-out tells all: both are for simulations."
)


@click.command("seal", help="Encrypt a program's protected regions for one chip.", epilog=_EPILOG)
@click.argument("source", metavar="IN.elf")
@click.option("-o", "output", required=True, metavar="OUT", help="program to write, with ciphertext in its regions")
@click.option("--fuses", required=True, metavar="F", help="fuse image to write: boot records with the keys")
@click.option("--policy", metavar="F.toml", help="what to protect  [default: firmware/lib/sealed.toml]")
@click.option("--key-out", metavar="F", help="also write keys and owner id, as JSON")
@click.option("--plaintext-out", metavar="F", help="also write what the bus snooper looks for, as JSON")
@click.option("--seed", type=int, metavar="N", help="repeatable keys: for tests only")
@click.option("--open", "in_the_open", is_flag=True, help="leave the regions readable: control runs, cipher off")
def command(
    source: str,
    output: str,
    fuses: str,
    policy: str | None,
    key_out: str | None,
    plaintext_out: str | None,
    seed: int | None,
    in_the_open: bool,
) -> None:
    """Seal, then write everything at once."""
    given = [name for name in (source, policy) if name]
    refuse_overwriting([name for name in (output, fuses, key_out, plaintext_out) if name], given)
    keys = RandomKeys() if seed is None else SeededKeys(seed)
    rules = load_policy(policy or str(FIRMWARE / "lib" / "sealed.toml"))
    sealed = seal(read_elf(source), rules, keys, in_the_open)
    named = [(output, sealed.elf), (fuses, sealed.fuses)]
    if key_out:
        named.append((key_out, sealed.keys.encode()))
    if plaintext_out:
        named.append((plaintext_out, sealed.plaintexts.encode()))
    if len({path for path, _ in named}) != len(named):
        raise ToolError("arguments", "two outputs have the same name", "name different files")
    write_all(dict(named), secret=frozenset(path for path, _ in named[1:]))
