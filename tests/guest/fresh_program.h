/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A whole program, an ELF file, as data of another one. It writes the registers
 * that it starts with to its standard output, as struct registers of
 * test_fresh_registers.c. With one argument it then reads what is at FS:0, with two
 * what is at GS:0. It is relative to itself, but for its header.
 *
 * The word fresh_has_bases tells it whether it may read the bases by instructions.
 */
#ifndef FRESH_PROGRAM_H
#define FRESH_PROGRAM_H

/* Where it is mapped */
#define PROGRAM		0x100000000ul

extern char fresh_begin[], fresh_has_bases[], fresh_end[];

__asm__(".pushsection .data\n"
	".balign 64\n"
	"fresh_begin:\n"
	"	.ascii \"\\177ELF\"\n"
	"	.byte 2, 1, 1\n"		/* 64 bit, little endian */
	"	.fill 9, 1, 0\n"
	"	.short 2, 62\n"			/* ET_EXEC, EM_X86_64 */
	"	.long 1\n"
	"	.quad 0x100000000 + fresh_entry - fresh_begin\n"
	"	.quad 64, 0\n"			/* the segment comes next */
	"	.long 0\n"
	"	.short 64, 56, 1, 0, 0, 0\n"
	"	.long 1, 7\n"			/* PT_LOAD, all rights */
	"	.quad 0, 0x100000000, 0x100000000\n"
	"	.quad fresh_end - fresh_begin, fresh_end - fresh_begin, 4096\n"
	"fresh_has_bases: .quad 0\n"
	"fresh_entry:\n"
	"	movq %rax, general(%rip)\n"
	"	movq %rbx, general+8(%rip)\n"
	"	movq %rcx, general+16(%rip)\n"
	"	movq %rdx, general+24(%rip)\n"
	"	movq %rsi, general+32(%rip)\n"
	"	movq %rdi, general+40(%rip)\n"
	"	movq %rbp, general+48(%rip)\n"
	"	movq %rsp, general+56(%rip)\n"
	"	movq %r8, general+64(%rip)\n"
	"	movq %r9, general+72(%rip)\n"
	"	movq %r10, general+80(%rip)\n"
	"	movq %r11, general+88(%rip)\n"
	"	movq %r12, general+96(%rip)\n"
	"	movq %r13, general+104(%rip)\n"
	"	movq %r14, general+112(%rip)\n"
	"	movq %r15, general+120(%rip)\n"
	"	pushfq\n"
	"	popq flags(%rip)\n"
	"	movw %ds, selectors(%rip)\n"
	"	movw %es, selectors+2(%rip)\n"
	"	movw %fs, selectors+4(%rip)\n"
	"	movw %gs, selectors+6(%rip)\n"
	"	movl $0xe7, %eax\n"
	"	xorl %edx, %edx\n"
	"	xsave64 xsave(%rip)\n"
	"	cmpq $0, fresh_has_bases(%rip)\n"
	"	je 1f\n"
	"	rdfsbase %rax\n"
	"	movq %rax, bases(%rip)\n"
	"	rdgsbase %rax\n"
	"	movq %rax, bases+8(%rip)\n"
	"1:	movl $1, %eax\n"
	"	movl $1, %edi\n"
	"	leaq general(%rip), %rsi\n"
	"	movl $registers_end - general, %edx\n"
	"	syscall\n"
	/* With any argument: an access by both bases, which must fault. */
	"	cmpq $2, (%rsp)\n"
	"	jb 3f\n"
	"	ja 2f\n"
	"	movq %fs:0, %rax\n"
	"	jmp 3f\n"
	"2:	movq %gs:0, %rax\n"
	"3:	movl $231, %eax\n"
	"	xorl %edi, %edi\n"
	"	syscall\n"
	".balign 64\n"
	"general: .fill 16, 8, 0\n"
	"flags: .quad 0\n"
	"bases: .quad 0, 0\n"
	"selectors: .quad 0\n"
	".balign 64\n"
	"xsave: .fill 2688, 1, 0\n"
	"registers_end:\n"
	"fresh_end:\n"
	".popsection\n");

#endif
