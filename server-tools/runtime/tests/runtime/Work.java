/** A program whose calls are known: main calls outer, outer calls inner, nobody calls never. */
public class Work {
    static long sum;

    static void inner(long rounds) {
        for (long i = 0; i < rounds; i++) sum += Math.floorMod(i * 31 + sum, 1021);
    }

    static void outer(long rounds) {
        for (int i = 0; i < 10; i++) inner(rounds);
    }

    static void never() {
        sum = 0;
    }

    public static void main(String[] words) {
        long end = System.nanoTime() + 2_500_000_000L;
        while (System.nanoTime() < end) outer(200_000);
        System.out.println(sum);
    }
}
