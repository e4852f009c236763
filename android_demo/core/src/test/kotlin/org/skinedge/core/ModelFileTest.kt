package org.skinedge.core

import java.nio.ByteBuffer
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ModelFileTest {
    private val whole = embeddedModel.bytes()

    private fun refusal(content: ByteBuffer): String {
        val message = assertThrows(ModelFileException::class.java) { ModelFile.read(content) }.message!!
        assertFalse(message, message.contains('\n'))
        return message
    }

    private fun refusal(bytes: ByteArray) = refusal(ByteBuffer.wrap(bytes))

    private fun refusal(change: (JSONObject) -> Unit) = refusal(TinyModel(change = change).file())

    private fun assertSays(part: String, message: String) = assertTrue(message, message.contains(part))

    @Test
    fun `the embedded model says here what it says in Python`() {
        val file = ModelFile.read(embeddedModel)
        val expected = Golden.drawn.model
        for ((key, value) in mapOf(
            "name" to file.name,
            "description" to file.description,
            "licence" to file.licence,
            "version" to file.version,
            "sha256" to file.sha256,
        )) {
            assertEquals(key, expected.getString(key), value)
        }
        val labels = expected.getJSONArray("labels").objects()
        assertEquals(
            labels.map { Label(it.getString("code"), it.getString("name"), it.getBoolean("malignant")) },
            file.labels,
        )
        val rules = expected.getJSONArray("thresholds").objects()
        assertEquals(rules.map { it.getString("target") }, file.thresholds.map(Threshold::target))
        assertEquals(rules.map { it.getDouble("threshold") }, file.thresholds.map(Threshold::threshold))
        assertEquals(rules.map { it.getDouble("sensitivity") }, file.thresholds.map(Threshold::sensitivity))
        assertEquals(rules.map { it.getDouble("specificity") }, file.thresholds.map(Threshold::specificity))
        assertEquals(expected.getJSONArray("map").integers(), listOf(file.mapHeight, file.mapWidth))
        assertEquals(listOf("int8 per channel", "int8"), listOf(file.weights, file.activations))
        val metrics = expected.getJSONObject("metrics")
        assertEquals(
            Metrics(
                metrics.getInt("images"),
                metrics.getString("split"),
                metrics.getDouble("balanced_accuracy"),
                metrics.getDouble("macro_auroc"),
                metrics.getDouble("melanoma_auroc"),
            ),
            file.metrics,
        )
    }

    @Test
    fun `the buffer is read from its position, and left there`() {
        val content = ByteBuffer.wrap(ByteArray(3) + whole)
        content.position(3)
        assertEquals(Golden.drawn.model.getString("sha256"), ModelFile.read(content).sha256)
        assertEquals(3, content.position())
    }

    @Test
    fun `a card may leave the map out and figures undefined`() {
        val file = ModelFile.read(TinyModel(map = null).file())
        assertEquals(listOf(0, 0), listOf(file.mapWidth, file.mapHeight))
        assertEquals(0.5, file.metrics.balancedAccuracy, 0.0)
        assertTrue(file.metrics.melanomaAuroc.isNaN())
        assertEquals(listOf("float32", "float32"), listOf(file.weights, file.activations))
    }

    @Test
    fun `what is no model is refused`() {
        for (content in listOf("", "TFL3", "a long line of text")) {
            assertSays("not a TensorFlow Lite model", refusal(content.toByteArray()))
        }
        assertSays("not a TensorFlow Lite model", refusal(byteArrayOf(1) + whole))
    }

    @Test
    fun `a file cut short is refused, wherever it ends`() {
        for (size in listOf(8, 20, 1_000, whole.size / 2, whole.size - 5_000, whole.size - 40, whole.size - 1)) {
            assertSays("damaged, or without skinedge.json", refusal(whole.copyOf(size)))
        }
        val tiny = TinyModel().file().bytes()
        for (size in 8 until tiny.size) refusal(tiny.copyOf(size))
    }

    @Test
    fun `one changed bit of the network is noticed`() {
        val flipped = whole.clone()
        flipped[whole.size / 2] = (flipped[whole.size / 2].toInt() xor 1).toByte()
        assertSays("checksum does not match", refusal(flipped))
    }

    @Test
    fun `no changed byte makes it fall over`() {
        val tiny = TinyModel().file().bytes()
        for (i in tiny.indices) {
            for (value in intArrayOf(0x00, 0x7f, 0xff)) {
                val changed = tiny.clone()
                changed[i] = value.toByte()
                try {
                    ModelFile.read(ByteBuffer.wrap(changed))
                } catch (error: ModelFileException) {
                    assertFalse(error.message!!.contains('\n'))
                }
            }
        }
    }

    @Test
    fun `a card of another schema is refused`() {
        assertSays("schema 99, this app reads 1", refusal { it.put("schema", 99) })
        assertSays("schema null", refusal { it.remove("schema") })
    }

    @Test
    fun `a card that lacks something says what`() {
        assertSays("lacks input, metrics", refusal { it.remove("metrics"); it.remove("input") })
        assertSays("is damaged", refusal { it.put("metrics", JSONObject()) })
        val unknown = refusal { it.getJSONArray("labels").getJSONObject(0).put("malignant", JSONObject.NULL) }
        assertSays("is damaged", unknown)
    }

    @Test
    fun `a card of another network is refused`() {
        assertSays("checksum does not match", refusal { it.put("flatbuffer_crc32", 7) })
        assertSays("checksum does not match", refusal { it.put("flatbuffer_bytes", -1) })
        assertSays("checksum does not match", refusal { it.put("flatbuffer_bytes", 1_000_000) })
    }

    @Test
    fun `a threshold for no class is refused`() {
        val rule = mapOf("target" to "mole", "threshold" to 0.5, "sensitivity" to 0.95, "specificity" to 0.8)
        assertSays("threshold for mole", refusal { it.put("thresholds", JSONArray(listOf(rule))) })
    }

    @Test
    fun `other clients must read the same classes`() {
        val other = TinyModel(codes = List(12) { "class${11 - it}" })
        assertSays("labels.txt and its skinedge.json name different classes", refusal(other.file()))
    }

    @Test
    fun `a model without a card is refused`() {
        val network = whole.copyOf(5_720_008)
        assertSays("without skinedge.json", refusal(network))
        assertSays("without skinedge.json", refusal(packed(network, mapOf("labels.txt" to "mel\n"))))
    }

    @Test
    fun `a card that is no object is refused`() {
        val network = whole.copyOf(5_720_008)
        for (text in listOf("[1]", "", "{")) {
            assertSays("skinedge.json is damaged", refusal(packed(network, mapOf("skinedge.json" to text))))
        }
    }
}
