/* The board: a Cortex-M under QEMU, whose console is the debugger's (semihosting). */
#ifndef BOARD_H
#define BOARD_H
#define BOARD_STACK_BYTES 16384 /* as in board.ld */
void board_print(const char *text);
void board_print_number(int number);
#endif
