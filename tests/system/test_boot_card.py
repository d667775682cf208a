"""The boot program and an SD card, in simulation of the whole system: sound cards of each kind start their image, and
whatever is wrong is told in one message and nothing is started.
"""

import pytest
from boot_runs import BYTES, MARK, PASS, RAM_END, Header, boot, card, changed, image, model

from hakone.isa import VERSION
from hakone.isa.boot_image import LOADER_BYTES, BootImage
from hakone.isa.platform import RAM_BASE
from hakone_sim.run import CYCLE_LIMIT


@pytest.fixture(scope="module", autouse=True)
def _built():
    model()


def refused(result, text: str) -> None:
    """Exactly this message, nothing started, and the serial line is next."""
    lines = result.uart.decode("ascii").splitlines()
    complaints = [line for line in lines if line.startswith("boot: card: ")]
    assert complaints == [f"boot: card: {text}"]
    assert lines[-1] == "boot: waiting for an upload"
    assert result.status == CYCLE_LIMIT


@pytest.mark.parametrize(
    "options", ["", "standard_capacity", "first_version", "flip_read=1", "flip_read=3", "standard_capacity,flip_read=2"]
)
def test_image_on_a_sound_card_starts(options, tmp_path):
    memory = tmp_path / "memory"
    sound = image(RAM_BASE + 0x4000)
    result = boot(card=card(sound.pack()), card_options=options, ram_out=memory)
    assert (result.status, result.reason) == (0, "finisher pass")
    assert b"boot: starting at 0x80004000\r\n" in result.uart
    assert b"boot: card" not in result.uart
    assert memory.read_bytes()[0x4000:][: len(sound.payload)] == sound.payload


def test_image_that_ends_where_the_stack_begins_starts():
    """The control of the refusals below: one line lower is allowed."""
    result = boot(card=card(image(RAM_END - LOADER_BYTES - BYTES).pack()))
    assert (result.status, result.reason) == (0, "finisher pass")


def test_registers_of_the_image_are_those_of_a_system_without_boot_program():
    """a0 = 0, a2 = 0, a1 = a device tree; others zero: the code passes only then."""
    # or t2, a0, a2; or t2, t2, sp; or t2, t2, s1; bnez t2, .; lw t0, 0(a1); lui t1, 0xEDFE1; addi t1, t1, -0x230; bne .
    code = (0x00C5_63B3, 0x0023_E3B3, 0x0093_E3B3, 0x0003_9063, 0x0005_A283, 0xEDFE_1337, 0xDD03_0313, 0x0062_9063)
    payload = b"".join(word.to_bytes(4, "little") for word in code) + PASS
    result = boot(card=card(BootImage(RAM_BASE, RAM_BASE, payload.ljust(512, b"\0")).pack()))
    assert (result.status, result.reason) == (0, "finisher pass")


@pytest.mark.parametrize(
    "options,text,max_cycles",
    [
        ("multimedia", "not an SD card", 600_000),
        ("wrong_voltage", "the card does not take 3.3 V", 600_000),
        ("never_ready", "the card does not get ready", 12_000_000),
        ("error_token", "the card cannot read", 600_000),
        ("silent_read", "the card does not answer", 2_000_000),
        ("flip_always", "wrong CRC from the card", 600_000),
    ],
)
def test_card_that_fails_is_told(options, text, max_cycles):
    refused(boot(max_cycles, card=card(image().pack()), card_options=options), text)


def test_no_card_is_told():
    refused(boot(), "no card")


def test_card_that_is_too_short_for_the_image_is_told():
    refused(boot(card=card(image().pack()[:-512])), "the card refuses to read")
    refused(boot(card=bytes(512)), "the card refuses to read")


HEADERS = {
    "no image": ({"word0": 0}, "not an image"),
    "CRC of the header": ({"crc_error": 0x8000_0000}, "wrong CRC of the header"),
    "another major version": ({"word1": VERSION + 0x1_0000}, "made for another version"),
    "a later minor version": ({"word1": VERSION + 1}, "made for another version"),
    "reserved word": ({"word6": 1}, "reserved word is not zero"),
    "no length": ({"word3": 0}, "length is zero or no multiple of 512"),
    "odd length": ({"word3": BYTES - 4}, "length is zero or no multiple of 512"),
    "below memory": ({"word2": RAM_BASE - 64}, "does not lie in memory"),
    "the mask ROM": ({"word2": 0x1000, "word4": 0x1000}, "does not lie in memory"),
    "behind memory": ({"word2": RAM_END}, "does not lie in memory"),
    "across the end of memory": ({"word2": RAM_END - BYTES + 64}, "does not lie in memory"),
    "no whole line": ({"word2": RAM_BASE + 4}, "does not lie in memory"),
    "more than memory": ({"word3": 2 << 20}, "does not lie in memory"),
    "wraps to a small sum": ({"word3": 0xFFFF_FE00}, "does not lie in memory"),
    "wraps around to memory": ({"word2": 0xFFFF_FFC0, "word3": 0x8000_0200}, "does not lie in memory"),
    "the last byte of the stack": ({"word2": RAM_END - BYTES}, "reaches into the boot program's stack"),
    "the first byte of the stack": (
        {"word2": RAM_END - LOADER_BYTES - BYTES + 64},
        "reaches into the boot program's stack",
    ),
    "all of memory": ({"word3": RAM_END - RAM_BASE}, "reaches into the boot program's stack"),
    "entry behind": ({"word4": RAM_BASE + BYTES}, "entry lies outside"),
    "entry before": ({"word2": RAM_BASE + 0x1000}, "entry lies outside"),
    "odd entry": ({"word4": RAM_BASE + 1}, "entry lies outside"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_header_that_is_wrong_is_refused_before_anything_is_stored(name, tmp_path):
    changes, text = HEADERS[name]
    memory = tmp_path / "memory"
    content = Header.of(image(), **changes).pack().ljust(512, b"\0") + image().payload
    refused(boot(card=card(content), ram_out=memory), text)
    assert MARK not in memory.read_bytes()


@pytest.mark.parametrize("position", [0, 700, BYTES - 1])
def test_payload_that_is_wrong_is_not_started(position):
    wrong = changed(image(), position)
    refused(boot(card=card(image().pack()[:512] + wrong.payload)), "wrong CRC of the payload")
