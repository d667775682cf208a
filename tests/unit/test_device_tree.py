"""Device tree: read back by a reader of its own, which is tried on QEMU's tree, and compared with that tree."""

import struct
from pathlib import Path

import pytest

from hakone.isa import platform
from hakone.soc.config import PRESETS, SocConfig
from hakone.soc.device_tree import device_tree

QEMU_TREE = Path(__file__).resolve().parent.parent / "vectors" / "qemu" / "virt.dtb"


def parse(blob):
    """{path: {property: bytes}} of a flattened tree (Devicetree Specification v0.4, chapter 5)."""
    magic, total, at_structure, at_strings, at_reserved, version, last, _ = struct.unpack_from(">8I", blob)
    strings_bytes, structure_bytes = struct.unpack_from(">2I", blob, 32)
    assert (magic, version, last) == (0xD00DFEED, 17, 16)
    assert total == len(blob)
    assert at_reserved % 8 == 0
    assert blob[at_reserved : at_reserved + 16] == bytes(16)
    strings = blob[at_strings : at_strings + strings_bytes]
    nodes, path, at = {}, [], at_structure
    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:
            name = blob[at : blob.index(0, at)].decode()
            at += (len(name) + 4) & ~3
            path.append(name)
            assert "/".join(path) not in nodes
            nodes["/".join(path) or "/"] = {}
        elif token == 2:
            path.pop()
        elif token == 3:
            size, name_at = struct.unpack_from(">2I", blob, at)
            name = strings[name_at : strings.index(0, name_at)].decode()
            nodes["/".join(path) or "/"][name] = blob[at + 8 : at + 8 + size]
            at += 8 + (size + 3 & ~3)
        elif token == 9:
            assert not path
            assert at == at_structure + structure_bytes
            return nodes
        else:
            assert token == 4, f"token {token} at {at - 4:#x}"


def _cells(value):
    return struct.unpack(f">{len(value) // 4}I", value)


def test_reader_understands_the_tree_of_qemu():
    nodes = parse(QEMU_TREE.read_bytes())
    assert nodes["/soc/serial@10000000"]["compatible"] == b"ns16550a\0"
    assert _cells(nodes["/memory@80000000"]["reg"]) == (0, 0x8000_0000, 0, 128 << 20)
    assert len(nodes) > 20


def test_devices_stand_where_qemu_has_them():
    ours, theirs = parse(device_tree(SocConfig())), parse(QEMU_TREE.read_bytes())
    compared = 0
    for path, node in ours.items():
        if not path.startswith("/soc/"):
            continue
        other = theirs[path]
        assert set(node["compatible"].split(b"\0")) <= set(other["compatible"].split(b"\0")), path
        assert node.get("interrupts") == other.get("interrupts"), path
        assert _cells(node["reg"])[:2] == _cells(other["reg"])[:2], path
        compared += 1
    assert compared == len(platform.DEVICES)
    for path in ("/poweroff", "/reboot"):
        for name in ("value", "offset", "compatible"):
            assert ours[path][name] == theirs[path][name]
    assert ours["/chosen"]["stdout-path"].rstrip(b"\0").decode() in ours


@pytest.mark.parametrize("config", [*PRESETS.values(), SocConfig(ram_bytes=1 << 30, clock_hz=70_000_000)])
def test_tree_tells_memory_clock_and_instruction_set(config):
    nodes = parse(device_tree(config))
    assert _cells(nodes["/memory@80000000"]["reg"]) == (0, platform.RAM_BASE, 0, config.ram_bytes)
    cpu = nodes["/cpus/cpu@0"]
    assert _cells(nodes["/cpus"]["timebase-frequency"]) == (10_000_000,)
    assert _cells(cpu["clock-frequency"]) == (config.clock_hz,)
    assert cpu["riscv,isa"].startswith(b"rv32imac_")


def test_handles_lead_somewhere():
    nodes = parse(device_tree(SocConfig()))
    handles = {_cells(node["phandle"])[0]: path for path, node in nodes.items() if "phandle" in node}
    assert len(handles) == 3
    assert handles[_cells(nodes["/poweroff"]["regmap"])[0]].startswith("/soc/test@")
    for path, node in nodes.items():
        if "interrupt-parent" in node:
            assert handles[_cells(node["interrupt-parent"])[0]].startswith("/soc/plic@"), path
        if "interrupts-extended" in node:
            pairs = _cells(node["interrupts-extended"])
            assert {handles[h] for h in pairs[::2]} == {"/cpus/cpu@0/interrupt-controller"}
    assert _cells(nodes["/soc/clint@2000000"]["interrupts-extended"])[1::2] == (3, 7)
    assert _cells(nodes["/soc/plic@c000000"]["interrupts-extended"])[1::2] == (11, 0xFFFF_FFFF)
    assert _cells(nodes["/soc/plic@c000000"]["riscv,ndev"]) == (11,)


def test_board_devices_stand_in_the_tree_with_board_io_only():
    nodes, plain = parse(device_tree(SocConfig(board_io=True, clock_hz=60_000_000))), parse(device_tree(SocConfig()))
    added = {path for path in nodes if path not in plain}
    spi, gpio = "/soc/spi@10040000", "/soc/gpio@10060000"
    assert added == {spi, f"{spi}/mmc@0", gpio, "/clock"}
    for path, window in ((spi, platform.SPI), (gpio, platform.GPIO)):
        assert _cells(nodes[path]["reg"]) == (0, window.base, 0, window.bytes)
        assert _cells(nodes[path]["interrupts"]) == (window.interrupt,)
    assert nodes[spi]["clocks"] == nodes["/clock"]["phandle"]
    assert _cells(nodes["/clock"]["clock-frequency"]) == (60_000_000,)
    assert _cells(nodes["/soc/plic@c000000"]["riscv,ndev"]) == (13,)
    assert len(device_tree(SocConfig(board_io=True))) < platform.RESET_PAGE.bytes - 0x20


def test_tree_is_the_same_each_time_and_fits_the_rom():
    assert device_tree(SocConfig()) == device_tree(SocConfig())
    assert len(device_tree(SocConfig())) < platform.RESET_PAGE.bytes - 0x20
