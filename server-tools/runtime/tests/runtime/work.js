// A program whose calls are known: outer calls inner, nobody calls never.
let sum = 0;
function inner(rounds) {
  for (let i = 0; i < rounds; i++) sum = (sum * 31 + i) % 1021;
}
function outer(rounds) {
  for (let i = 0; i < 10; i++) inner(rounds);
}
function never() {
  sum = 0;
}
const end = Date.now() + 1000;
while (Date.now() < end) outer(100000);
console.log(sum);
