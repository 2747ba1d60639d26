/* Switching between stacks. Jumps do it without asking the system; the address sanitizer, which has to be told, only knows
 * swapcontext().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_COROUTINE_H
#define CAPSHAPE_VALIDATION_EMULATOR_COROUTINE_H

#include <setjmp.h>
#include <stddef.h>
#include <ucontext.h>

#if defined __SANITIZE_ADDRESS__
#define EMULATOR_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define EMULATOR_SANITIZED 1
#endif
#endif

/* The compiler's own jumps take a few instructions, the C library's many; not all compilers have them for other processors. */
#ifdef __x86_64__
typedef void *switch_place[5];
#define switch_save(place) __builtin_setjmp(place)
#define switch_jump(place) __builtin_longjmp(place, 1)
#else
typedef jmp_buf switch_place;
#define switch_save(place) _setjmp(place)
#define switch_jump(place) _longjmp(place, 1)
#endif

/* A stack that does not run: where it goes on. */
struct switch_point {
#ifdef EMULATOR_SANITIZED
	ucontext_t at;
#else
	switch_place at;
#endif
	void *sanitizer;
};

#ifdef EMULATOR_SANITIZED
#include <sanitizer/common_interface_defs.h>

/* From this stack to another, which begins at `bottom`; and back on it, from one that is told. */
inline void switch_announce(switch_point *from, const void *bottom, size_t size)
{
	__sanitizer_start_switch_fiber(&from->sanitizer, bottom, size);
}
inline void switch_arrive(switch_point *here, const void **bottom, size_t *size)
{
	__sanitizer_finish_switch_fiber(here == nullptr ? nullptr : here->sanitizer, bottom, size);
}
inline void switch_stacks(switch_point *from, switch_point *to)
{
	swapcontext(&from->at, &to->at);
}
#else
inline void switch_announce(switch_point *, const void *, size_t)
{
}
inline void switch_arrive(switch_point *, const void **, size_t *)
{
}
/* A function of its own: the compiler allows no jump where a place is saved. */
[[noreturn, gnu::noinline]] inline void switch_go(switch_point *to)
{
	switch_jump(to->at);
}
inline void switch_stacks(switch_point *from, switch_point *to)
{
	if (switch_save(from->at) == 0)
		switch_go(to);
}
#endif

/* To a new stack, where `body` runs, which does not return. */
inline void switch_begin(switch_point *from, void *stack, size_t bytes, void (*body)())
{
	ucontext_t context;
	getcontext(&context);
	context.uc_stack.ss_sp = stack;
	context.uc_stack.ss_size = bytes;
	context.uc_link = nullptr;
	makecontext(&context, body, 0);
#ifdef EMULATOR_SANITIZED
	swapcontext(&from->at, &context);
#else
	if (switch_save(from->at) == 0)
		setcontext(&context);
#endif
}

#endif
