package org.skinedge.core

import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** The embedded model, run by the app's own code on this desktop, answers as in Python. */
abstract class SameAnswers {
    protected abstract val golden: Golden
    protected val file = ModelFile.read(embeddedModel)
    protected val classifier = Classifier(file, embeddedModel, 1)

    @After
    fun close() = classifier.close()

    @Test
    fun `every image gets the answer it gets in Python`() {
        assertEquals(emptyList<String>(), disagreements(classifier))
    }

    @Test
    fun `channels in the wrong order fail the same comparison`() {
        mostFail(golden.cases.mapNotNull { classifier.disagreement(golden, it, it.pixels(2, 1, 0)) })
    }

    @Test
    fun `broken weights fail the same comparison`() {
        Classifier(file, brokenWeights(), 1).use { mostFail(disagreements(it)) }
    }

    protected fun disagreements(by: Classifier) = golden.cases.mapNotNull { by.disagreement(golden, it) }

    private fun mostFail(wrong: List<String>) = assertTrue("only $wrong fail", wrong.size > golden.cases.size / 2)
}

/** The embedded model with some weights of a late convolution changed; its checksum is not looked at. */
private fun brokenWeights() = native(
    embeddedModel.bytes().also { bytes ->
        val middle = bytes.size / 2
        for (i in middle until middle + 4_000) bytes[i] = (bytes[i].toInt() xor 0x40).toByte()
    },
)
