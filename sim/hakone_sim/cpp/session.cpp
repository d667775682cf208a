// See session.h.
#include "session.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "verilated.h"
#include "verilated_vpi.h"

namespace hakone {

Session session;

void Session::start(const std::vector<std::string>& arguments) {
    harness_.reset();
    harness_ = std::make_unique<Harness>(parse_options(arguments));
    started_ = true;
    shown_ = 0;
}

bool Session::take_start() {
    const bool was = started_;
    started_ = false;
    return was;
}

void Session::load_cocotb(const char* library) {
    void* handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    if (!handle) throw BadInput(dlerror());
    using Bootstrap = void (*)();
    const auto bootstrap = reinterpret_cast<Bootstrap>(dlsym(handle, "vlog_startup_routines_bootstrap"));
    if (!bootstrap) throw BadInput(std::string(library) + ": not cocotb's library for Verilator");
    cocotb_ = true;
    Verilated::fatalOnVpiError(false);
    bootstrap();
    VerilatedVpi::callCbs(cbStartOfSimulation);
    VerilatedVpi::callValueCbs();
}

// A changed event word wakes the tests; they fetch the notices themselves.
void Session::show_notices() {
    if (!harness_ || harness_->notices_sent() == shown_) return;
    shown_ = harness_->notices_sent();
    if (!event_handle_) {
        char name[] = "hakone_bench.event_word";
        event_handle_ = vpi_handle_by_name(name, nullptr);
        if (!event_handle_) throw BadInput("the model has no event word");
    }
    s_vpi_value value{};
    value.format = vpiIntVal;
    value.value.integer = static_cast<int>(++event_word_ & 0x7FFFFFFF);
    vpi_put_value(static_cast<vpiHandle>(event_handle_), &value, nullptr, vpiNoDelay);
}

void Session::serve(uint64_t now, void (*settle)()) {
    Verilated::threadContextp()->time(now);
    const auto values = [] {
        while (VerilatedVpi::callValueCbs()) {}
    };
    VerilatedVpi::callCbs(cbNextSimTime);
    values();
    VerilatedVpi::callTimedCbs();
    show_notices();
    values();
    do {
        do {
            settle();
            VerilatedVpi::clearEvalNeeded();
            VerilatedVpi::doInertialPuts();
            values();
        } while (VerilatedVpi::evalNeeded());
        VerilatedVpi::callCbs(cbReadWriteSynch);
        VerilatedVpi::doInertialPuts();
        values();
    } while (VerilatedVpi::evalNeeded());
    VerilatedVpi::callCbs(cbReadOnlySynch);
}

uint64_t Session::next_deadline() const { return VerilatedVpi::cbNextDeadline(); }

bool Session::stop_requested() const { return Verilated::gotFinish(); }

void Session::close() {
    if (cocotb_) VerilatedVpi::callCbs(cbEndOfSimulation);
}

}  // namespace hakone

using hakone::session;

/// Instead of Verilator's own, which prints: cocotb ends every run this way.
void vl_finish(const char*, int, const char*) { Verilated::threadContextp()->gotFinish(true); }

// Called from Python through ctypes (hakone_sim.cocotb_support). They return -1, or an empty text, when there is no run.
extern "C" {

/// Start a run; returns null, or what is wrong with the arguments.
const char* hakone_start(int count, const char* const* arguments) {
    static std::string problem;
    try {
        session.start({arguments, arguments + count});
        return nullptr;
    } catch (const hakone::BadInput& e) {
        problem = e.what();
        return problem.c_str();
    }
}

/// Fetch the oldest notice; 1 when there was one.
int hakone_notice(hakone::Notice* notice) {
    if (!session.harness() || session.harness()->notices().empty()) return 0;
    *notice = session.harness()->notices().front();
    session.harness()->notices().pop_front();
    return 1;
}

uint64_t hakone_cycle() { return session.harness() ? session.harness()->cycle() : 0; }

int hakone_watch(uint32_t addr) {
    if (!session.harness()) return -1;
    session.harness()->watch(addr);
    return 0;
}

int hakone_uart_send(const uint8_t* bytes, uint32_t n) {
    if (!session.harness()) return -1;
    session.harness()->uart().send(bytes, n);
    return 0;
}

/// Everything that the system has sent since the start of the run; `n` becomes its length.
const char* hakone_uart_log(uint64_t* n) {
    *n = session.harness() ? session.harness()->uart().log().size() : 0;
    return *n ? session.harness()->uart().log().data() : "";
}

int hakone_memory_read(uint32_t addr, uint8_t* to, uint32_t n) {
    if (!session.harness() || !session.harness()->memory().inside(addr, n)) return -1;
    hakone::AxiMemory& memory = session.harness()->memory();
    memcpy(to, memory.bytes().data() + (addr - memory.base()), n);
    return 0;
}

int hakone_memory_write(uint32_t addr, const uint8_t* from, uint32_t n) {
    if (!session.harness() || !session.harness()->memory().inside(addr, n)) return -1;
    session.harness()->memory().load(addr, from, n);
    return 0;
}

/// End the run now with a status of the test's choice.
int hakone_stop(int status) {
    if (!session.harness()) return -1;
    session.harness()->end(status, "stopped", "ended by the test");
    return 0;
}

/// Result of a run that has ended, as JSON.
const char* hakone_result() {
    static std::string text;
    text = session.harness() && session.harness()->ended() ? session.harness()->json() : "";
    return text.c_str();
}
}
