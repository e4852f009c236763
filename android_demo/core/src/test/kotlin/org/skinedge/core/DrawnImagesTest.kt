package org.skinedge.core

import org.junit.AfterClass
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** The embedded model, run by the app's own code on this desktop, answers drawings as in Python. */
class DrawnImagesTest {
    private val golden = Golden.drawn

    @Test
    fun `every drawing gets the answer it gets in Python`() {
        assertEquals(emptyList<String>(), golden.cases.mapNotNull { classifier.disagreement(golden, it) })
    }

    @Test
    fun `with two threads too`() {
        Classifier(file, embeddedModel, 2).use { parallel ->
            assertEquals(emptyList<String>(), golden.cases.mapNotNull { parallel.disagreement(golden, it) })
        }
    }

    @Test
    fun `channels in the wrong order fail the same comparison`() {
        val wrong = golden.cases.mapNotNull { classifier.disagreement(golden, it, it.pixels(2, 1, 0)) }
        assertTrue("$wrong", wrong.size > golden.cases.size / 2)
    }

    @Test
    fun `broken weights fail the same comparison`() {
        Classifier(file, brokenWeights(), 1).use { broken ->
            val wrong = golden.cases.mapNotNull { broken.disagreement(golden, it) }
            assertTrue("$wrong", wrong.size > golden.cases.size / 2)
        }
    }

    companion object {
        private val file = ModelFile.read(embeddedModel)
        private val classifier = Classifier(file, embeddedModel, 1)

        @JvmStatic
        @AfterClass
        fun close() = classifier.close()
    }
}

/** The embedded model with some weights of a late convolution changed; its checksum is not looked at. */
fun brokenWeights() = native(
    embeddedModel.bytes().also { bytes ->
        val middle = bytes.size / 2
        for (i in middle until middle + 4_000) bytes[i] = (bytes[i].toInt() xor 0x40).toByte()
    },
)
