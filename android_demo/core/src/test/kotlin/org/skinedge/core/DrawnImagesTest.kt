package org.skinedge.core

import org.junit.Assert.assertEquals
import org.junit.Test

class DrawnImagesTest : SameAnswers() {
    override val golden = Golden.drawn

    @Test
    fun `two threads answer alike`() {
        Classifier(file, embeddedModel, 2).use { assertEquals(emptyList<String>(), disagreements(it)) }
    }
}
