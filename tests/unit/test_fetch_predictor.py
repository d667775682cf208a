"""The predictor learns loops, calls, jumps with changing targets; forgets when told; survives nonsense."""

import pytest
from amaranth_bench import run, seeded
from fetch_bench import PLAIN, Core, Guarded, Program, World, transfer

from hakone.bus.core_ports import BranchKind
from hakone.isa.platform import RAM_BASE

QUICK = {"max_delay": 0, "gap_chance": 0.0}
BRANCH, JUMP, CALL, RETURN = BranchKind.BRANCH, BranchKind.JUMP, BranchKind.CALL, BranchKind.RETURN


def mispredictions(code: list, cycles: list[int], base: int = RAM_BASE, **sizes) -> list[int]:
    """Run a program for each number of cycles in turn, from its start; the mispredictions of each run."""
    program, world = Program(base, [*code, *[(None, 4, None)] * 8]), World(seed=1)
    program.place(world)
    top = Guarded(world, **sizes)
    wrong = []

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), **QUICK)
        for count in cycles:
            wrong.append((await program.run(core, count))[1])

    run(top, bench)
    return wrong


def always(label):
    """A transfer that always goes there."""
    return lambda visit: label


def every(count, label):
    """Taken, but for every ``count``-th time."""
    return lambda visit: None if visit % count == count - 1 else label


def test_loop_of_ten_mispredicts_its_end_only():
    code = [
        ("outer", 4, None),
        ("inner", 2, None),
        (None, 4, None),
        (None, 4, (BRANCH, every(10, "inner"))),
        (None, 2, (JUMP, always("outer"))),
    ]
    cold, warm = mispredictions(code, [120, 300])
    rounds = 300 // (1 + 30 + 1 + 4)
    assert warm <= rounds + 3, f"{warm} in about {rounds} rounds"
    assert cold >= 3


def test_branch_that_never_jumps_is_never_predicted():
    code = [("top", 4, None), (None, 4, (BRANCH, lambda visit: None)), (None, 2, (JUMP, always("top")))]
    assert mispredictions(code, [60, 200])[1] == 0


def test_two_transfers_in_one_word_are_told_apart():
    """Two compressed transfers share a word, four share a block."""
    code = [
        ("a", 2, (BRANCH, every(2, "c"))),
        (None, 2, (JUMP, always("d"))),
        ("c", 2, (JUMP, always("a"))),
        ("d", 2, (JUMP, always("a"))),
    ]
    wrong = mispredictions(code, [100, 200])[1]
    assert wrong < 60, "the jumps beside the branch were mispredicted too"


def calls(depth: int) -> list:
    """A main loop that calls a chain of functions from two places, each with its own return."""
    code = [("main", 4, (CALL, always("f0"))), (None, 2, None), (None, 2, (CALL, always("f0"))), (None, 4, None)]
    code += [(None, 2, (JUMP, always("main")))]
    for n in range(depth):
        code += [(f"f{n}", 2, None)]
        if n + 1 < depth:
            code += [(None, 4, (CALL, always(f"f{n + 1}"))), (None, 2, None)]
        code += [(None, 2, (RETURN, None))]
    return code


@pytest.mark.long
def test_returns_are_predicted_up_to_the_depth_of_the_stack():
    for depth in (1, 8):
        assert mispredictions(calls(depth), [150, 150], predictor_entries=64)[1] <= 2, f"{depth} deep"
    assert mispredictions(calls(10), [150, 150], predictor_entries=64)[1] > 4  # deeper than the stack


def test_return_stack_recovers_from_mispredicted_branches():
    """A branch that mispredicts in front of calls and returns, so that wrong paths push and pop."""
    code = [
        ("main", 4, (CALL, always("f"))),
        (None, 2, (BRANCH, every(3, "skip"))),
        (None, 4, (CALL, always("f"))),
        ("skip", 2, (JUMP, always("main"))),
        ("f", 2, (BRANCH, every(3, "out"))),
        (None, 2, None),
        ("out", 2, (RETURN, None)),
    ]
    program, world = Program(RAM_BASE, [*code, *[(None, 4, None)] * 8]), World(seed=1)
    program.place(world)
    top = Guarded(world)
    rng = seeded()
    wrong = []

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, rng, **QUICK)
        await program.run(core, 100)
        path, bad = await program.run(core, 400, ready=lambda: rng.random() < 0.8)
        branches = sum(program.at[pc][1] is not None and program.at[pc][1][0] == BRANCH for pc in path)
        returns = path.count(program.labels["out"])
        wrong.append((bad, branches, returns))

    run(top, bench)
    bad, branches, returns = wrong[0]
    assert returns > 25
    assert bad <= branches * 0.4 + 2, f"{bad} mispredictions of {branches} branches, {returns} returns"


def test_jump_with_targets_in_turn_is_predicted_by_path():
    code = [
        ("top", 4, None),
        (None, 2, (JUMP, lambda visit: ("a", "b", "c")[visit % 3])),
        ("a", 4, (JUMP, always("top"))),
        (None, 2, None),
        ("b", 4, (JUMP, always("top"))),
        (None, 4, None),
        (None, 2, None),
        ("c", 4, (JUMP, always("top"))),
    ]
    cold, warm = mispredictions(code, [150, 150], predictor_entries=64)
    assert warm <= 5 and warm < cold, f"{warm} of about 35 jumps"


@pytest.mark.long
def test_clear_forgets_branches_returns_and_paths():
    """Straight after a clear the same code is fetched as if it had never run: nothing is predicted taken."""
    for code in (calls(3), [("top", 4, None), (None, 2, (JUMP, always("top")))]):
        program, world = Program(RAM_BASE, [*code, *[(None, 4, None)] * 24]), World(seed=1)
        program.place(world)
        top = Guarded(world, predictor_entries=64)

        async def bench(ctx, program=program, top=top, world=world):
            core = Core(ctx, top.fetch, world, seeded(), **QUICK)
            await program.run(core, 150)
            for clear in (False, True):
                await core.cycle(redirect=(program.base, PLAIN), clear=clear)
                taken = 0
                for _ in range(30):
                    got = await core.cycle()
                    taken += bool(got) and got["taken"]
                assert (taken == 0) == clear
            # And it learns again.
            assert (await program.run(core, 150))[1] > 0
            assert (await program.run(core, 100))[1] <= 2

        run(top, bench)


def test_return_without_a_known_call_is_not_predicted():
    world = World(seed=1)
    world.place(RAM_BASE, b"\x01\x00" * 64)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), **QUICK)
        for _ in range(10):
            await core.cycle()
        await core.cycle(update=transfer(RAM_BASE + 4, RAM_BASE + 32, kind=RETURN, compressed=True))
        await core.cycle(redirect=(RAM_BASE, PLAIN))
        for _ in range(40):
            got = await core.cycle()
            assert not (got and got["taken"])

    run(top, bench)


async def predicted(core: Core, pc: int, at: int) -> int | None:
    """Fetch from ``pc``; the target predicted for the instruction at ``at``, or None."""
    await core.cycle(redirect=(pc, PLAIN))
    while True:
        got = await core.cycle()
        if got and got["pc"] == at:
            return got["target"] if got["taken"] else None


def nops(bench, **sizes):
    """Run ``bench(core)`` over compressed no-operations, with the predictor's entries erased."""
    world = World(seed=1)
    world.place(RAM_BASE, b"\x01\x00" * 512)
    top = Guarded(world, predictor_entries=64, **sizes)

    async def main(ctx):
        core = Core(ctx, top.fetch, world, seeded(), **QUICK)
        for _ in range(20):
            await core.cycle()
        await bench(core)

    run(top, main)


HERE, A, B = RAM_BASE + 4, RAM_BASE + 0x100, RAM_BASE + 0x182


def test_branch_counts_both_ways():
    """Taken once: predicted, also when it then changes its mind every time. A second exception is not forgiven."""

    async def bench(core):
        taken = transfer(HERE, A, kind=BRANCH, compressed=True)
        steps = (([1], A), ([0], A), ([1], A), ([0], A), ([0], None), ([0], None), ([1], None), ([1], A), ([1, 1], A))
        for updates, expected in (*steps, ([0], A), ([0], None), ([1], A)):
            for way in updates:
                await core.cycle(update={**taken, "taken": way})
            assert await predicted(core, RAM_BASE, HERE) == expected

    nops(bench)


def test_instruction_that_is_no_transfer_is_forgotten_at_once():
    """Whatever was known of it, even a jump whose target changes."""

    async def bench(core):
        for kind in (JUMP, CALL):
            for target in (A, B):
                await core.cycle(update=transfer(HERE, target, kind=kind, compressed=True))
            assert await predicted(core, RAM_BASE, HERE) is not None
            await core.cycle(update=transfer(HERE, HERE + 2, kind=BRANCH, compressed=True, taken=False))
            assert await predicted(core, RAM_BASE, HERE) is None

    nops(bench)


def test_call_that_was_not_predicted_is_returned_from():
    """The stack takes the call with its redirect."""

    async def bench(core):
        await core.cycle(update=transfer(A + 4, B, kind=RETURN, compressed=True))
        for call, length in ((RAM_BASE + 0x80, 4), (RAM_BASE + 0x92, 2)):
            update = transfer(call, A, kind=CALL, compressed=length == 2)
            await core.cycle(redirect=(A, PLAIN), update=update)
            while not ((got := await core.cycle()) and got["pc"] == A + 4):
                pass
            assert got["taken"] and got["target"] == call + length

    nops(bench)


def test_clear_forgets_return_addresses_and_path_targets_by_themselves():
    """Entries learned anew after a clear must not bring back what others left in the stack or in the path table."""
    rng = seeded()

    async def bench(core):
        for _ in range(100):
            target = RAM_BASE + 0x200 + 2 * rng.randrange(16)
            await core.cycle(update=transfer(HERE, target, kind=JUMP, compressed=True))
            await core.cycle(update=transfer(RAM_BASE + 0x80, A, kind=CALL), redirect=(A, PLAIN))
        await core.cycle(clear=True)
        for _ in range(20):
            await core.cycle()
        await core.cycle(update=transfer(A + 4, B, kind=RETURN, compressed=True))
        assert await predicted(core, A, A + 4) is None
        for target in (A, B):
            await core.cycle(update=transfer(HERE, target, kind=JUMP, compressed=True))
        assert await predicted(core, RAM_BASE, HERE) == B

    nops(bench)


def test_misses_do_not_upset_what_is_known():
    """Blocks are looked up again after a miss; calls and returns of those dropped must not count."""
    program, world = Program(RAM_BASE, [*calls(4), *[(None, 4, None)] * 8]), World(seed=1)
    program.place(world)
    top = Guarded(world, predictor_entries=64)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), **QUICK)
        await program.run(core, 200)
        for _ in range(3):
            await core.cycle(flush=True)
            for _ in range(10):
                await core.cycle()
            path, wrong = await program.run(core, 120)
            assert len(path) > 40 and wrong == 0

    run(top, bench)


def test_prediction_for_first_half_of_long_instruction_is_removed():
    """It would leave the block before the second half: no wrong bits are delivered, and it costs cycles only once."""
    world = World(seed=1)
    world.place(RAM_BASE, b"\x13\x00\x00\x00" * 32)
    world.place(RAM_BASE + 128, b"\x01\x00" + b"\x13\x00\x00\x00" * 32)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), **QUICK)

        async def cycles_for_six(start):
            await core.cycle(redirect=(start, PLAIN))
            began, pcs = core.time, []
            while len(pcs) < 6:
                got = await core.cycle()
                pcs += [got["pc"]] if got else []
            assert pcs == list(range(start, start + 24, 4))
            return core.time - began

        for base in (RAM_BASE, RAM_BASE + 130):
            for ahead in (0, 4, 8):
                await cycles_for_six(base)
                await core.cycle(update=transfer(base + ahead, RAM_BASE + 256, compressed=True))
                first, second, third = [await cycles_for_six(base) for _ in range(3)]
                assert first > second == third, f"entry at {base + ahead:#x}: {first}, {second}, {third} cycles"

    run(top, bench)
