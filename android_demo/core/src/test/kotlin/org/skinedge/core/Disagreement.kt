package org.skinedge.core

import kotlin.math.abs
import kotlin.math.roundToInt

/** Steps of an output tensor by which interpreters of other versions may differ. */
const val STEPS = 2

/**
 * What sets the app's answer to one image apart from the Python library's: null if nothing does.
 *
 * The output tensors may differ by [STEPS] steps, and the winner must be the same. Where Python's
 * winner leads by no more than both can move, it may be the runner-up.
 */
fun Classifier.disagreement(golden: Golden, case: Golden.Case, pixels: ByteArray = case.pixels(0, 1, 2)): String? {
    val answer = newAnswer()
    load(pixels)
    infer(answer)
    val raw = listOf(answer.probabilities, answer.attention).mapIndexed { head, values ->
        val (scale, zero) = golden.heads[head]
        values.map { (it / scale).roundToInt() + zero }
    }
    for (head in raw.indices) {
        val apart = raw[head].zip(case.raw[head]) { ours, theirs -> abs(ours - theirs) }.max()
        if (apart > STEPS) return "${case.name}: output $head differs by $apart steps"
    }
    val winner = raw[0].indexOf(raw[0].max())
    val lead = case.raw[0].max() - case.raw[0][winner]
    return if (lead > 2 * STEPS) "${case.name}: another class wins" else null
}

/** The image goes in, and the class that wins comes out. */
fun Classifier.winner(pixels: ByteArray): Int {
    val answer = newAnswer()
    load(pixels)
    run(answer)
    val first = IntArray(1)
    topK(answer.probabilities, 1, first)
    return first[0]
}
