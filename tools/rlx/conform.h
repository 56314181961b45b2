/* `rlx conform`: holds a device to the rules of docs/design.md. */
#ifndef RLX_TOOL_CONFORM_H
#define RLX_TOOL_CONFORM_H

/* argv[0] is "conform". Returns the exit code: 0 all passed, 1 some failed, 2 usage, 3 the device can't be opened. */
int rlx_tool_conform(int argc, char **argv);

#endif
