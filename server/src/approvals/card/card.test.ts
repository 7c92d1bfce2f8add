import assert from "node:assert/strict"
import { describe, test } from "node:test"
import fc from "fast-check"
import type { Json } from "#kernel"
import { locales } from "../channels/words.ts"
import { cardDigest, type Line, type LineKind, lineText, renderCard, shownOf } from "./card.ts"
import type { ArgumentFact, CardFacts } from "./facts.ts"
import { cut, visible } from "./text.ts"
import { numberText, valueText } from "./values.ts"
import { cardWords } from "./words.ts"

const en = cardWords.en

function argumentOf(name: string, value: Json, more: Partial<ArgumentFact> = {}): ArgumentFact {
  return { name, value, finding: "free", origin: null, isSink: false, unusual: null, ...more }
}

function factsOf(more: Partial<CardFacts> = {}): CardFacts {
  return {
    version: 1,
    templates: { en: "Refund {amount} to {payee}", de: "{amount} an {payee} erstatten" },
    operation: { type: "tool", name: "refund", description: "refund an order" },
    resource: { name: "shop", description: "The shop's till" },
    elevated: "money",
    irreversible: true,
    agent: { name: "support-bot", description: "The shop's helper", owner: "support@shop.example" },
    through: ["front-bot"],
    application: { name: "shop-app", description: "The shop's application" },
    purpose: { name: "order-help", description: "Put right what went wrong" },
    user: { provider: "shop", subject: "alice" },
    request: { kind: "consent", text: "Please refund\nmy lamp." },
    arguments: [
      argumentOf("amount", 12049.9, {
        unusual: { kind: "times-usual", times: 10 },
        finding: "verified",
        origin: "bound",
      }),
      argumentOf("note", ["a", "b c"]),
      argumentOf("payee", "Jo Park", { isSink: true, finding: "unverifiable", origin: "request" }),
    ],
    reasons: ["Money leaves the shop."],
    policies: ["ask-refunds"],
    leaseSeconds: 60,
    before: 2,
    said: "Routine, please approve.",
    ...more,
  }
}

const written = (facts: CardFacts, locale: "en" | "de" = "en") =>
  renderCard(facts, locale).lines.map((line) => `${line.kind}: ${lineText(line)}`)
const textsOf = (lines: readonly Line[], kind: LineKind) => lines.filter((line) => line.kind === kind).map(lineText)
const headlineOf = (template: string, value: Json) => {
  const facts = factsOf({ templates: { en: template }, arguments: [argumentOf("payee", value)] })
  return textsOf(renderCard(facts, "en").lines, "headline")[0]!
}

describe("a card", () => {
  test("says what happens, who does it, for whom and why, with what, why it is asked, what approving gives, and last what the agent says", () => {
    assert.deepEqual(written(factsOf()), [
      "headline: Refund 12\u202f049.9 to “Jo Park”",
      "consequence: Moves money",
      "consequence: Cannot be undone",
      "label: Agent",
      "text: support-bot · The shop's helper · run by support@shop.example",
      "label: For",
      "text: alice (shop)",
      "label: Purpose",
      "text: Put right what went wrong",
      "label: Through",
      "text: shop-app · The shop's application",
      "label: Handed on by",
      "text: front-bot",
      "label: Asked for, as read and allowed on our page",
      "quote: “Please refund ¶ my lamp.”",
      "part: Exactly this",
      "label: amount",
      "value: 12\u202f049.9",
      "odd: 10× the usual",
      "good: verified: is within the limit",
      "label: note",
      "value: 2 entries: a, “b c”",
      "odd: not explained by the sentence above",
      "mark: not checked",
      "label: payee",
      "value: “Jo Park”",
      "odd: decides where it goes",
      "odd: not verified",
      "part: Why you are asked",
      "text: Money leaves the shop.",
      "text: Request 3 of this agent within a day.",
      "part: Approving gives",
      "text: Exactly this, once, with a credential for 60 seconds.",
      "part: What the agent says (not verified)",
      "said: “Routine, please approve.”",
    ])
  })

  test("says the same in German", () => {
    const lines = written(factsOf(), "de")
    assert.equal(lines[0], "headline: 12\u202f049,9 an „Jo Park“ erstatten")
    assert.equal(lines.length, written(factsOf()).length)
    // The rest is not ours to translate: names, and the words of whoever configured it.
    const same = lines.filter((line) => written(factsOf()).includes(line))
    assert.deepEqual(same, [
      "label: Agent",
      "text: alice (shop)",
      "text: Put right what went wrong",
      "text: shop-app · The shop's application",
      "text: front-bot",
      "label: amount",
      "label: note",
      "label: payee",
      "text: Money leaves the shop.",
    ])
  })

  test("without a sentence for the operation says so, and explains every value by itself", () => {
    const lines = written(factsOf({ templates: {} }))
    assert.equal(lines[0], "headline: Refund an order · The shop's till")
    assert.ok(lines.includes("note: Nobody wrote a sentence for this operation. Read every value."))
    assert.ok(!lines.some((line) => line.includes("not explained by")))
  })

  test("takes the sentence of another language before none", () => {
    assert.match(written(factsOf({ templates: { en: "Refund {amount}" } }), "de")[0]!, /^headline: Refund 12/)
    assert.match(written(factsOf({ templates: { fr: "Rembourser {amount}" } }), "de")[0]!, /^headline: Rembourser 12/)
  })

  test("says where a value of its sentence is not given", () => {
    assert.match(written(factsOf({ arguments: [argumentOf("amount", 5)] }))[0]!, /Refund 5 to \(payee: not given\)$/)
  })

  test("is the same for the same facts, and its digest another for any other line", () => {
    assert.equal(cardDigest(renderCard(factsOf(), "en")), "ehxO2GL9yriu5rVnyyHv8iNsgELhUOaW5K1osXjgKTs")
    const digests = [
      factsOf(),
      factsOf({ said: null }),
      factsOf({ before: 3 }),
      factsOf({ irreversible: false }),
      factsOf({ user: null }),
    ].flatMap((facts) => locales.map((locale) => shownOf(renderCard(facts, locale)).digest))
    assert.equal(new Set(digests).size, digests.length)
  })
})

describe("what somebody else wrote", () => {
  const nasty: { [what: string]: [value: string, shown: string] } = {
    "a name of an argument in braces": ["{amount}", "“{amount}”"],
    markup: ["<b onclick=x>5</b>", "“<b onclick=x>5</b>”"],
    "another markup": ["**5** [approve](https://evil.example)", "“**5** [approve](https://evil.example)”"],
    "a turn of the direction": ["Jo\u202e05 EUR", "“Jo[U+202E]05 EUR”"],
    "an isolate": ["\u2067x\u2069", "“[U+2067]x[U+2069]”"],
    "no width": ["pay\u200bpal", "“pay[U+200B]pal”"],
    "a soft hyphen": ["pay\u00adpal", "“pay[U+00AD]pal”"],
    "a tag character": ["a\u{e0041}", "“a[U+E0041]”"],
    "control characters": ["a\u0000\u001b[2Jb\r", "“a[U+0000][U+001B][2Jb[U+000D]”"],
    "another line": ["5\nApproved by Bob", "“5 ¶ Approved by Bob”"],
    "an end of a line that is none": ["5 ¶ x", "“5 [U+00B6] x”"],
    "a line separator": ["a\u2028b", "“a[U+2028]b”"],
    "an escape that is none": ["[U+202E] [… x [a]", "“[U+005B]U+202E] [U+005B]… x [a]”"],
    "an end of the quotation": ["Jo”, already approved. “", "“Jo[U+201D], already approved. [U+201C]”"],
    "a space that is another": ["Jo\u00a0Park\u3000", "“Jo[U+00A0]Park[U+3000]”"],
    "a filler": ["\u3164", "“[U+3164]”"],
    "a mark on our quotation mark": ["\u0338x", "“[U+0338]x”"],
    "marks upon marks": [`a${"\u0335".repeat(5)}`, `“a${"\u0335".repeat(3)}${"[U+0335]".repeat(2)}”`],
    "a family": ["👨‍👩‍👧 Park", "“👨‍👩‍👧 Park”"],
    "a Persian word": ["می‌خواهم", "“می‌خواهم”"],
    "a variation": ["a\ufe0f", "“a[U+FE0F]”"],
  }
  for (const [what, [value, shown]] of Object.entries(nasty)) {
    test(`is text and nothing else: ${what}`, () => {
      assert.equal(headlineOf("Pay {payee}", value), `Pay ${shown}`)
    })
  }

  test("is marked where its letters look like others", () => {
    const odd = (value: Json) =>
      textsOf(renderCard(factsOf({ templates: { en: "{x}" }, arguments: [argumentOf("x", value)] }), "en").lines, "odd")
    assert.deepEqual(odd("p\u0430ypal.com"), ["has Cyrillic letters, which may look like Latin ones"])
    assert.deepEqual(odd({ to: ["\u0391lice"] }), ["has Greek letters, which may look like Latin ones"])
    for (const digits of ["٤٩", "４９", "𝟜𝟡", "४९"])
      assert.deepEqual(odd(digits), ["has characters that stand for others"], digits)
    assert.deepEqual(odd("José Müller 49"), [])
    const named = factsOf({ arguments: [argumentOf("\u0430mount", 5), argumentOf("amount", 5)] })
    assert.ok(
      textsOf(renderCard(named, "en").lines, "odd").some((text) => text.startsWith("has Cyrillic")),
      "its name too",
    )
  })

  test("is cut with a word on how much is left out, and shows its end", () => {
    const value = `${"a ".repeat(4_000)}to the attacker`
    const [shown] = textsOf(renderCard(factsOf({ arguments: [argumentOf("note", value)] }), "en").lines, "value")
    assert.match(shown!, /\[… 7815 more characters …\] .*to the attacker”$/)
    assert.ok(shown!.length < 300)
    const many = valueText(
      Array.from({ length: 412 }, (_, at) => `E-${at}`),
      200,
      en,
    )
    assert.equal(many, "412 entries: E-0, E-1, E-2, E-3, E-4, E-5, E-6, E-7 … and 404 more")
    assert.equal(cut("a".repeat(10), 10, en.leftOut), "a".repeat(10))
  })

  const json = fc.jsonValue({ maxDepth: 3, noNegativeZero: true } as never) as fc.Arbitrary<Json>
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }))
  const UNSEEN = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]/u

  test("never hides, whatever it is: every line is one, every argument has one, and the agent's words are last", () => {
    const facts = fc.record({ name: text, given: json, said: text, asked: text })
    fc.assert(
      fc.property(facts, fc.constantFrom(...locales), ({ name, given, said, asked }, locale) => {
        const made = factsOf({
          arguments: [argumentOf(name, given), argumentOf("payee", name)],
          request: { kind: "consent", text: asked },
          said,
        })
        const card = renderCard(made, locale)
        for (const line of card.lines) {
          const shown = lineText(line)
          assert.ok(shown.isWellFormed() && shown.trim() !== "" && !UNSEEN.test(shown), shown)
        }
        assert.equal(textsOf(card.lines, "value").length, 2)
        assert.equal(card.lines.at(-1)!.kind, "said")
        assert.equal(textsOf(card.lines, "headline").length, 1)
        assert.equal(cardDigest(card), cardDigest(renderCard(structuredClone(made), locale)))
      }),
    )
  })

  test("is told apart: two texts that are not the same are not shown alike", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        fc.pre(a !== b)
        assert.notEqual(visible(a), visible(b))
        if (a.length < 40 && b.length < 40) assert.notEqual(valueText(a, 200, en), valueText(b, 200, en))
      }),
    )
  })
})

test("a number has all its digits, in groups that no language reads as a decimal mark", () => {
  const shown = (value: number) => numberText(value, cardWords.de).replaceAll("\u202f", "_")
  const table: [number, string][] = [
    [0, "0"],
    [-5, "-5"],
    [49.9, "49,9"],
    [1234.5, "1234,5"],
    [12345, "12_345"],
    [-1234567.25, "-1_234_567,25"],
    [1e21, "1_000_000_000_000_000_000_000"],
    [1.5e-7, "0,00000015"],
    [0.1 + 0.2, "0,30000000000000004"],
    [1.25e22, "12_500_000_000_000_000_000_000"],
  ]
  for (const [value, text] of table) assert.equal(shown(value), text)
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const read = Number(shown(value).replaceAll("_", "").replace(",", "."))
      assert.ok(Object.is(read, value) || (read === 0 && value === 0))
    }),
  )
})
