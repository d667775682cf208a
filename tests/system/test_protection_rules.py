"""Rules of protection on the whole system, each tried from the side that must not succeed.

Context 1 does what a test chooses (``programs/protection/probes.S``), the monitor writes down what the trap showed it.
Every refusal stands beside a run in which the same is allowed, so that what is refused would have worked.
"""

import pytest
from observation import CLOSED, Seen, compile_sealed, observe, region, xts
from protected_runs import AFTER_CTXPUT, INSIDE, STUB, Trapped, probe, trapped, with_field

from hakone.isa.cause import Cause, Sub
from hakone.isa.csr import HXCTX_ENCRYPTED, HXCTX_SEALED
from hakone.isa.formats import BOOT_WORD_BYTES, BOOT_WORD_START
from hakone.isa.platform import LINE_BYTES, UART

CALL = (Cause.ECALL_U.value, 0)
SECRETS = {n: 0x5EC00000 | n for n in range(1, 32)}
WINDOW = 2  #: number of the window's boot record
LETTER = ord("!")


def window(fuses: bytes, start: int, size: int) -> bytes:
    """Fuses with the window somewhere else."""
    return with_field(with_field(fuses, WINDOW, BOOT_WORD_START, start), WINDOW, BOOT_WORD_BYTES, size)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The probe program, sealed."""
    return compile_sealed("probes", ["probes.S"], tmp_path_factory.mktemp("rules"), "probes.toml")


@pytest.fixture(scope="module")
def runs(program, tmp_path_factory) -> dict[str, Seen]:
    """Every run of this module, in one process; the snooper has found nothing in any of them."""
    at, fuses = program.symbols(), program.fuses.read_bytes()
    spare = at["__spare_start"] + 0x1000
    inside = [
        probe("secrets", program, INSIDE["secrets"], spare),
        probe("return", program, INSIDE["return"], at["returned"]),
        probe("return_masked", program, INSIDE["return masked"], at["returned"], 1 << 8 | 1 << 9 | 1 << 2),
        probe("stack", program, INSIDE["stack"], at["returned_second"]),
        probe("call", program, INSIDE["call"]),
        probe("call_put", program, INSIDE["call"], afterwards=AFTER_CTXPUT),
        probe("call_twice", program, INSIDE["call"], 0x77, resumes=1),
        probe("no_landing", program, INSIDE["call"], at="not_a_landing"),
        probe("outside", program, INSIDE["load"], spare),
        probe("outside_window", program, INSIDE["load"], spare, fuses=window(fuses, spare, LINE_BYTES)),
        probe("device", program, INSIDE["store"], UART.base, LETTER),
        probe("device_window", program, INSIDE["store"], UART.base, LETTER, fuses=window(fuses, UART.base, 256)),
        probe("write_code", program, INSIDE["store"], at["constant"], 0),
        probe("leave", program, INSIDE["jump"], at["returned"]),
    ]
    stub = [
        probe("jump", program, STUB["jump"]),
        probe("plain_load", program, STUB["load"], at["first_data"]),
        probe("plain_store", program, STUB["store"], at["first_data"], 0x600D),
        probe("plain_load_plain", program, STUB["load"], at["between"]),
        probe("plain_fault", program, STUB["load"], 0x40),
        probe("unsealed_put", program, STUB["call"], afterwards=AFTER_CTXPUT),
    ]
    seen = observe(CLOSED, inside + stub, tmp_path_factory.mktemp("rules_runs"))
    assert sum(s.hits for s in seen.values()) == 0
    return seen


@pytest.fixture(scope="module")
def logs(runs, program) -> dict[str, Trapped]:
    """What each run's trap showed."""
    return {name: trapped(seen, program) for name, seen in runs.items()}


def test_trap_shows_the_handler_its_own_registers_and_no_value(logs):
    """A fault with a secret in every register: the handler has the registers it left, and mtval is 0. A fault of
    unsealed code does show its address."""
    log = logs["secrets"]
    assert log.why == (Cause.REGION.value, Sub.REGION_NO_ENTRY.value)
    assert log.registers == [0, *(0xA0000000 | n for n in range(1, 31)), 1]
    assert log.value == 0
    assert log.context == 1 | HXCTX_SEALED | HXCTX_ENCRYPTED
    plain = logs["plain_fault"]
    assert (plain.cause, plain.value, plain.context) == (Cause.LOAD_FAULT.value, 0x40, 1)


def test_sealed_context_takes_no_register(logs):
    """The same ctxput that works on the context before its first encrypted instruction faults afterwards."""
    assert logs["unsealed_put"].why == CALL and logs["unsealed_put"].monitor == [0, 0, 0]
    assert logs["call_put"].why == CALL
    assert logs["call_put"].monitor == [Cause.CONTEXT.value, Sub.CONTEXT_SEALED.value, 1]


def test_sealed_context_goes_on_behind_its_call_with_its_registers(logs):
    """The monitor gets nothing and gives nothing: s0 is there again after a call, and a0."""
    assert logs["call"].result[0] == 0
    assert logs["call_twice"].why == CALL and logs["call_twice"].result[:2] == [0x5EC5EC00, INSIDE["call"]]


def test_plain_code_cannot_run_into_a_region(logs):
    """A plain jump to the very landing that cryptomode may enter."""
    assert logs["jump"].why == (Cause.MODE.value, Sub.MODE_PLAIN_FETCH.value)
    assert logs["jump"].context == 1  # not sealed: it never ran encrypted


def test_entry_elsewhere_than_at_a_landing_faults(logs):
    """One instruction behind it is not good enough."""
    assert logs["no_landing"].why == (Cause.MODE.value, Sub.MODE_NO_LANDING.value)
    assert logs["call"].why == CALL


def test_encrypted_code_cannot_run_out_of_its_regions(logs):
    """A jump to plain code without retmode."""
    assert logs["leave"].why == (Cause.MODE.value, Sub.MODE_FETCH_OUTSIDE.value)


def test_access_outside_every_entry_faults_before_the_memory_bus(logs, runs, program):
    """The line never crosses the bus; with a window at that place it does."""
    line = program.symbols()["__spare_start"] + 0x1000
    assert logs["outside"].why == (Cause.REGION.value, Sub.REGION_NO_ENTRY.value)
    assert line not in runs["outside"].bus
    assert line in runs["outside_window"].bus


def test_access_outside_every_entry_faults_before_a_device(logs, runs):
    """Nothing reaches the serial port; with a window over it the letter does."""
    assert logs["device"].why == (Cause.REGION.value, Sub.REGION_NO_ENTRY.value)
    assert runs["device"].uart == "" and runs["device"].events["uncached"] == 1  # the finisher's
    assert runs["device_window"].uart == "!"


def test_protected_code_cannot_be_written_by_itself(logs, runs, program):
    """The region lacks the right, and its line stays as it was sealed."""
    assert logs["write_code"].why == (Cause.REGION.value, Sub.REGION_RIGHT.value)
    place, line = region(program, "code"), program.symbols()["constant"]
    plain = xts(place, line, runs["write_code"].chip(line, LINE_BYTES), decrypt=True)
    assert plain[:8] == (0xC0DE5EA1).to_bytes(4, "little") + (0x9876ABCD).to_bytes(4, "little")


def test_plain_code_of_the_owner_reads_and_writes_no_region(logs, runs, program):
    """The region does not allow it; plain memory beside it may be read by the same instruction."""
    refused = (Cause.REGION.value, Sub.REGION_PLAIN_ACCESS.value)
    assert logs["plain_load"].why == refused and logs["plain_store"].why == refused
    assert logs["plain_load_plain"].why == CALL
    assert logs["plain_load_plain"].returned[0] == int.from_bytes(b"plai", "little")
    place, line = region(program, "data"), program.symbols()["first_data"]
    plain = xts(place, line, runs["plain_store"].chip(line, LINE_BYTES), decrypt=True)
    assert plain == (0x11112222).to_bytes(4, "little") * 16


def test_retmode_clears_every_register_outside_the_mask(logs, program):
    """Without a mask ra and a0 to a7 survive (a1 held the address), sp is the plain side's own, all else reads zero."""
    at = program.symbols()
    kept = [1, 10, *range(12, 18)]
    expected = [SECRETS[n] if n in kept else 0 for n in range(1, 32)]
    expected[1], expected[10] = at["returned_log"], at["returned"]
    assert logs["return"].returned[1:] == expected


def test_retmode_keeps_only_what_the_mask_names(logs, program):
    """A mask of s0, s1 and sp: sp is never passed, whatever the mask says."""
    expected = [SECRETS[n] if n in (8, 9) else 0 for n in range(1, 32)]
    expected[1] = program.symbols()["returned_log"]
    assert logs["return_masked"].returned[1:] == expected


def test_each_side_keeps_its_own_stack_pointer(logs, program):
    """Zero at first for encrypted code, not what the plain side had; at the second visit what it had set, although
    the plain side moved its own in between."""
    at = program.symbols()
    first, second = logs["stack"].result[:2]
    assert (first, second) == (0, at["constant"])
    assert logs["stack"].returned[0] == at["returned_log"]
