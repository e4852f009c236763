package org.skinedge.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** From output tensors to labels, decisions and maps as the Python library does, without an interpreter. */
class GoldenAnswersTest {
    private val golden = Golden.drawn
    private val file = ModelFile.read(embeddedModel)

    /** An answer with what Python's interpreter returned. */
    private fun answer(case: Golden.Case): Answer {
        val answer = Answer(file.labels.size, file.mapWidth * file.mapHeight)
        listOf(answer.probabilities, answer.attention).forEachIndexed { head, values ->
            val (scale, zero) = golden.heads[head]
            for (i in values.indices) values[i] = (case.raw[head][i] - zero) * scale
        }
        answer.normalise()
        return answer
    }

    @Test
    fun `the drawings make every class win`() {
        assertEquals(file.labels.map(Label::code).toSet(), golden.cases.map { it.ranked[0] }.toSet())
    }

    @Test
    fun `probabilities and maps are Python's`() {
        for (case in golden.cases) {
            val answer = answer(case)
            assertArrayEquals(case.name, case.probabilities, answer.probabilities, 1e-7f)
            assertArrayEquals(case.name, case.attention, answer.attention, 0f)
            assertEquals(case.name, 1f, answer.probabilities.sum(), 1e-6f)
            assertEquals(case.name, 1f, answer.attention.max(), 0f)
        }
    }

    @Test
    fun `classes are ranked as in Python, ties too`() {
        for (case in golden.cases) {
            val order = IntArray(file.labels.size)
            topK(answer(case).probabilities, order.size, order)
            assertEquals(case.name, case.ranked, order.map { file.labels[it].code })
        }
    }

    @Test
    fun `only the first k are written`() {
        val order = intArrayOf(-1, -1, -1)
        topK(floatArrayOf(0.1f, 0.5f, 0.4f), 2, order)
        assertArrayEquals(intArrayOf(1, 2, -1), order)
    }

    @Test
    fun `decisions are Python's`() {
        for (case in golden.cases) {
            val decisions = file.decide(answer(case).probabilities)
            assertEquals(case.decisions.map { it.getString("target") }, decisions.map(Decision::target))
            for ((expected, decision) in case.decisions.zip(decisions)) {
                val name = "${case.name}: ${decision.target}"
                assertEquals(name, expected.getBoolean("positive"), decision.positive)
                assertEquals(name, expected.getDouble("score"), decision.score.toDouble(), 1e-7)
                assertEquals(name, expected.getDouble("threshold"), decision.threshold, 0.0)
                assertEquals(name, expected.getDouble("sensitivity"), decision.sensitivity, 0.0)
            }
        }
    }

    @Test
    fun `the drawings come as near to the thresholds as scores can`() {
        val near = golden.cases.flatMap { it.decisions }
            .map { it.getDouble("score") - it.getDouble("threshold") }
        assertTrue(near.count { it == 0.0 } >= 2)
        assertTrue(near.any { it < 0 && it > -1.01 / 256 })
    }

    @Test
    fun `the malignant classes are summed`() {
        for (case in golden.cases) {
            val sum = file.malignantProbability(answer(case).probabilities)
            assertEquals(case.name, case.malignantProbability, sum, 1e-6f)
        }
    }

    @Test
    fun `an output of nothing but zeros stays zero`() {
        val answer = Answer(3, 4)
        answer.normalise()
        assertArrayEquals(FloatArray(3), answer.probabilities, 0f)
        assertArrayEquals(FloatArray(4), answer.attention, 0f)
    }
}
