package org.skinedge.core

import java.io.InputStream
import java.nio.ByteBuffer
import javax.imageio.ImageIO
import org.json.JSONArray
import org.json.JSONObject

/**
 * What the Python library answers: a folder that `tools/golden_android_answers.py` wrote.
 *
 * @param open opens a file of it by its name
 */
class Golden(private val open: (String) -> InputStream) {
    private val json = open("answers.json").use { JSONObject(it.readBytes().toString(Charsets.UTF_8)) }

    val model: JSONObject = json.getJSONObject("model")
    val overlay: JSONObject = json.getJSONObject("overlay")
    val cases: List<Case> = json.getJSONArray("cases").objects().map { Case(it) }

    /** Scale and zero point of the two heads. */
    val heads: List<Pair<Float, Int>> =
        model.getJSONArray("heads").lists().map { it.getDouble(0).toFloat() to it.getInt(1) }

    /** One image and its answer. */
    inner class Case(json: JSONObject) {
        val name: String = json.getString("name")

        /** The integers in the two output tensors. */
        val raw: List<List<Int>> = json.getJSONArray("raw").lists().map(JSONArray::integers)
        val probabilities: FloatArray = json.getJSONArray("probabilities").floats()
        val ranked: List<String> = json.getJSONArray("ranked").let { codes -> List(codes.length(), codes::getString) }
        val malignantProbability: Float = json.getDouble("malignant_probability").toFloat()
        val decisions: List<JSONObject> = json.getJSONArray("decisions").objects()
        val attention: FloatArray = json.getJSONArray("attention").floats()

        /** The three numbers of every pixel, in `order`: (0, 1, 2) is RGB. */
        fun pixels(vararg order: Int): ByteArray {
            val picture = open("$name.png").use(ImageIO::read)
            val argb = picture.getRGB(0, 0, picture.width, picture.height, null, 0, picture.width)
            return ByteArray(3 * argb.size) { (argb[it / 3] shr (16 - 8 * order[it % 3])).toByte() }
        }
    }

    companion object {
        /** The drawings that are part of the repository. */
        val drawn = Golden { checkNotNull(Golden::class.java.getResourceAsStream("/answers/$it")) }
    }
}

fun JSONArray.objects(): List<JSONObject> = List(length()) { getJSONObject(it) }

fun JSONArray.lists(): List<JSONArray> = List(length()) { getJSONArray(it) }

fun JSONArray.integers(): List<Int> = List(length()) { getInt(it) }

fun JSONArray.floats(): FloatArray = FloatArray(length()) { getDouble(it).toFloat() }

/** Puts an image where the classifier takes it, whatever was there before. */
fun Classifier.load(pixels: ByteArray) {
    val target: ByteBuffer = input.duplicate()
    target.clear()
    target.put(pixels)
}
