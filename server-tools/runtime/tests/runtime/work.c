/* A program whose calls are known: main calls outer, outer calls inner through a pointer, nobody calls never. */
#include <stdio.h>
#include <stdlib.h>

volatile unsigned long sum;

__attribute__((noinline)) void inner(unsigned long rounds) {
    for (unsigned long i = 0; i < rounds; i++) sum += i ^ (sum >> 3);
}

void (*volatile pointer)(unsigned long) = inner;

__attribute__((noinline)) void outer(unsigned long rounds) {
    pointer(rounds);
    sum++;
}

__attribute__((noinline)) void never(void) { sum = 0; }

int main(int count, char **words) {
    unsigned long rounds = count > 1 ? strtoul(words[1], NULL, 10) : 1000;
    for (int i = 0; i < 3; i++) outer(rounds);
    if (count > 5) never();
    printf("%lu\n", sum);
    return 0;
}
