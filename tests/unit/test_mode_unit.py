"""The mode unit by itself: what a pipeline can bring about only through three programs at once."""

from amaranth_bench import run

from hakone.core.mode import ModeUnit


def stack_word_of_the_next_key(released: bool) -> tuple[int, int]:
    """Automatic code under slot 3 stands in a region that is released while it runs (``released``); then it is
    interrupted, the key is wiped, it goes on and leaves with its x2, and another owner's key lands in the same slot.
    Returns whether that side has a stack word, and which.
    """
    dut, found = ModeUnit(), []

    async def bench(ctx):
        async def command(**inputs):
            for name, value in inputs.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            for name in ("land", "cross", "region", "load", "erased", "fresh", "end_links"):
                ctx.set(getattr(dut, name), 0)

        async def settle(stack: int = 0):
            ctx.set(dut.stack_in, stack)
            for _ in range(5):
                if ctx.get(dut.write_stack):
                    found.append((ctx.get(dut.stack_written), ctx.get(dut.stack_out)))
                await ctx.tick()

        ctx.set(dut.context, 1)
        await command(cross=1, region=1, fresh=1, target=0x100)
        await settle(0x1111)
        await command(land=1, key_slot=3, owner=1, automatic=1)
        await settle()
        if released:
            await command(end_links=1)
            await settle()
        kept = ctx.get(dut.kept.as_value())
        ctx.set(dut.loaded.as_value(), 0)
        await command(load=1, context=0)
        await settle()
        await command(erased=1, erased_slot=3)
        await settle()
        ctx.set(dut.loaded.as_value(), kept)
        await command(load=1, context=1)
        await settle()
        await command(cross=1, region=0, target=0x200)
        await settle(0x5EC2_E755)
        await command(cross=1, region=1, target=0x300)
        await settle(0x2222)
        found.clear()
        await command(land=1, key_slot=3, owner=2, automatic=1)
        await settle()

    run(dut, bench)
    return found[-1]


def test_released_code_leaves_no_stack_word_though_its_key_goes_while_it_does_not_run():
    """Control: without the release, which alone lets a key go while its code still has it, the word is there."""
    assert stack_word_of_the_next_key(released=True) == (0, 0)
    assert stack_word_of_the_next_key(released=False) == (1, 0x5EC2_E755)
