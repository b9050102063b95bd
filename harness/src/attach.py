# What gdb does to attach to a machine of kassay's. Above stand SOCKET, the processor ARCH, and in
# MODULES each module's file and, by section, the place of a symbol in the file's table and its value
# there.
import gdb

# The register that has the first argument of a function.
ARGUMENT = {"x86_64": "$rdi", "arm64": "$x0", "s390x": "$r2"}[ARCH]

# Where s390x keeps the address of the handler of program checks (arch/s390/include/asm/lowcore.h,
# program_new_psw).
HANDLER = 0x1D8


class Inserted(gdb.Breakpoint):
    """Loads a module's symbols when it is in its place and its init has not run yet."""

    def stop(self):
        module = gdb.parse_and_eval("(struct module *)" + ARGUMENT)
        name = module["name"].string()
        if name in MODULES:
            add(module, *MODULES[name])
        return False


def add(module, file, sections):
    # The kernel has added to each symbol where its section is (kernel/module/main.c,
    # simplify_symbols), and keeps the whole table until the init is over.
    table = module["kallsyms"]["symtab"]
    command = "add-symbol-file " + file
    for section, (place, value) in sections.items():
        address = int(table[place]["st_value"]) - value
        command += " -s {} {:#x}".format(section, address & 0xFFFFFFFFFFFFFFFF)
    gdb.execute(command)


def relocate():
    """Has the kernel's symbols where it is: on s390x it is linked for another place."""
    handler = gdb.parse_and_eval("*(unsigned long *){}".format(HANDLER))
    linked = gdb.parse_and_eval("(unsigned long)&pgm_check_handler")
    offset = int(handler) - int(linked)
    if offset > 0:
        file = gdb.current_progspace().filename
        gdb.execute("symbol-file -o {:#x} {}".format(offset, file))


gdb.execute("set breakpoint pending on")
gdb.execute("target remote " + SOCKET)
try:
    if ARCH == "s390x":
        relocate()
    gdb.lookup_type("struct module")
    Inserted("*do_init_module", gdb.BP_HARDWARE_BREAKPOINT, internal=True)
except (gdb.error, AttributeError) as error:
    print("kassay: the symbols of modules will not be loaded:", error)
