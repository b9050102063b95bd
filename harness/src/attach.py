# What gdb does to attach to a machine of kassay's. Above stand SOCKET, and in MODULES each module's
# file and, by section, the place of a symbol in the file's table and its value there.
import gdb


class Inserted(gdb.Breakpoint):
    """Loads a module's symbols when it is in its place and its init has not run yet."""

    def stop(self):
        module = gdb.parse_and_eval("(struct module *)$rdi")
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


gdb.execute("set breakpoint pending on")
gdb.execute("target remote " + SOCKET)
try:
    gdb.lookup_type("struct module")
    Inserted("*do_init_module", gdb.BP_HARDWARE_BREAKPOINT, internal=True)
except (gdb.error, AttributeError) as error:
    print("kassay: the symbols of modules will not be loaded:", error)
