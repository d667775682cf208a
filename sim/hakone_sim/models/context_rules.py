"""The rules of contexts, modes, traps and sealing by name: one sentence each, as the model knows them.

Source: the project's context model (``docs/reference``). ``context_moves`` applies them, ``context_search`` takes them
out one at a time and finds what then goes wrong.
"""

RULES = {
    # what a manager may do
    "get_unsealed": "`ctxget` of a sealed context faults.",
    "put_unsealed": "`ctxput` to a sealed context faults.",
    "number_exists": "A context that does not exist can be neither read, written nor run.",
    "trap_context_exists": "`hxtctx` takes no number that does not exist.",
    "trap_context_unsealed": "`hxtctx` takes no sealed context.",
    "release_dead": "The entries of a whole context are released only when it does not exist.",
    # the life of a context
    "sealed_by_entry": "The first entry into encrypted execution, by `cryptomode` or by a fetch, seals the context.",
    "new_entries": "`ctxnew` is refused while entries of the number's earlier life are left.",
    "new_registers": "In a new context every register reads zero.",
    "new_links": "A new context has no back links.",
    "new_stacks": "In a new context the hidden stack words of both sides read zero.",
    # where encrypted execution is possible
    "not_context_0": "No encrypted execution in context 0.",
    "not_trap_context": "No encrypted execution in the trap context.",
    "not_level_3": "No encrypted execution at level 3.",
    "mode_follows_fetch": "Encrypted mode executes code of its own key only: leaving crosses, or faults.",
    "no_plain_fetch": "Plain mode executes no encrypted code: reaching it crosses, or faults.",
    # entry and return
    "landing": "Encrypted code is entered at a landing, or at the newest back link's address.",
    "landing_kept": "A landing that has not run yet is still asked for after a trap.",
    "newest_link": "Of the back links only the newest can be returned to.",
    "link_used_once": "Returning to a back link takes it away.",
    "link_by_leaving": "Only the instruction that leaves the key makes a back link.",
    "link_overflow": "A back link for which there is no room is a fault, and nothing is overwritten.",
    "links_end_with_code": "A context that releases a region of code loses its back links.",
    "retmode_encrypted": "`retmode` faults in plain mode.",
    # what crosses
    "clear_on_leaving": "On leaving, registers outside the call mask are cleared.",
    "own_stack": "Each side has its own stack pointer.",
    "stack_by_key": "Encrypted code has a stack pointer for each key.",
    "stack_ends_with_key": "When a key slot is wiped, its hidden stack words of every context read zero.",
    # traps
    "trap_bank": "A trap out of another context runs in the trap context's bank.",
    "hidden_value": "A trap out of a sealed context tells neither address nor instruction.",
}
#: Held beside the rules and not needed while they hold: see ``search``.
BACKSTOP = "A trap that finds the trap context or context 0 sealed stops the machine."
