"""Which random blocks there are, how often each is chosen, and the functions that calls lead to."""

from collections.abc import Callable

from .random_pairs import pair_block
from .random_plain import (
    COUNTERS,
    alu_block,
    atomic_block,
    branch_block,
    call_block,
    device_block,
    jump_block,
    loop_block,
    memory_block,
    multiply_block,
    self_modifying_block,
    short_block,
    short_call_block,
    stack_block,
    stride_block,
)
from .random_program import Generator
from .random_traps import (
    csr_block,
    end_of_ram_block,
    exception_block,
    held_block,
    interrupt_block,
    user_block,
    wait_block,
)

_WEIGHTS: tuple[tuple[Callable[[Generator], None], int], ...] = (
    (alu_block, 6), (multiply_block, 5), (memory_block, 8), (stack_block, 3), (stride_block, 2), (atomic_block, 4),
    (device_block, 2), (branch_block, 6), (loop_block, 5), (call_block, 5), (jump_block, 3), (short_call_block, 1),
    (self_modifying_block, 2), (csr_block, 4), (exception_block, 6), (end_of_ram_block, 1), (user_block, 3),
    (interrupt_block, 3), (wait_block, 1), (held_block, 1), (pair_block, 8),
)  # fmt: skip
BLOCKS = [block for block, weight in _WEIGHTS for _ in range(weight)]
"""Every block, as often as its weight."""


def emit_functions(g: Generator) -> None:
    """The functions that ``call_block`` asked for. Those with link register ra may call those with t0."""
    a, rng = g.a, g.rng
    done = set()
    while True:
        todo = [f for f in g.functions if f[0] not in done]
        if not todo:
            return
        name, link = todo[0]
        done.add(name)
        a.align(4, rng.choice((0, 2)))
        a.label(name)
        g.reserved = {1, link, *COUNTERS}  # code with link register t0 is called from code that needs ra
        g.depth = 2
        for _ in range(rng.randint(1, 3)):
            short_block(g)
        if link == 1 and g.chance(0.5):
            inner = [f for f in g.functions if f[1] == 5]
            if inner:
                a.op("jal", 5, imm=rng.choice(inner)[0])
        if link == 1 and g.chance(0.5):
            a.op("c.jr", rs1=1)
        else:
            a.op("jalr", 0, link)
        g.reserved = set()
