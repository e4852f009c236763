package org.skinedge.core

import java.io.IOException
import java.nio.Buffer
import java.nio.ByteBuffer
import java.security.MessageDigest
import java.util.zip.CRC32
import org.tensorflow.lite.support.metadata.MetadataExtractor

/**
 * What a SkinEdge model says of itself: standard TFLite metadata, and its card, `skinedge.json`.
 *
 * @property labels the classes, in the order of the outputs
 * @property thresholds may be empty
 * @property mapWidth columns of the attention map; 0 without one
 * @property mapHeight rows of the attention map; 0 without one
 * @property weights the numbers they are stored in: `int8 per channel`, `float32`
 * @property activations the numbers it computes in: `int8`, `float32`
 * @property sha256 of the whole file, lower-case hexadecimal
 */
class ModelFile private constructor(
    val name: String,
    val description: String,
    val licence: String,
    val version: String,
    val sha256: String,
    card: ModelCard,
) {
    val labels: List<Label> = card.labels
    val thresholds: List<Threshold> = card.thresholds
    val mapWidth: Int = card.mapWidth
    val mapHeight: Int = card.mapHeight
    val metrics: Metrics = card.metrics
    val weights: String = card.weights
    val activations: String = card.activations

    /** A model that takes float32 gets `(pixel - inputZero) * inputScale`; one that takes uint8, pixels. */
    internal val inputScale: Float = card.inputScale
    internal val inputZero: Float = card.inputZero

    companion object {
        private const val IDENTIFIER = "TFL3"
        private val DAMAGED = "the model is damaged, or without ${ModelCard.NAME}; copy or export it again"

        /**
         * Reads and verifies a model file; its bytes are not kept.
         *
         * @param content the file, from the buffer's position to its limit; neither is moved
         * @throws ModelFileException for a file that is damaged, no TFLite model, or not SkinEdge's
         */
        fun read(content: ByteBuffer): ModelFile {
            if (!isTfLite(content.slice())) {
                throw ModelFileException("not a TensorFlow Lite model; give a .tflite file")
            }
            val metadata = readable { MetadataExtractor(content.slice()) }
            val card = ModelCard.parse(readable { metadata.text(ModelCard.NAME) })
            verify(content, card)
            return readable {
                verifyLabels(metadata, card)
                val about = metadata.modelMetadata
                ModelFile(about.name(), about.description(), about.license(), about.version(), sha256(content), card)
            }
        }

        private fun isTfLite(content: ByteBuffer) =
            content.limit() >= 8 && IDENTIFIER.indices.all { content.get(4 + it) == IDENTIFIER[it].code.toByte() }

        // What the extractor meets in a damaged file it reports with whatever it happens to trip over.
        private fun <T> readable(read: () -> T): T =
            try {
                read()
            } catch (error: IOException) {
                throw ModelFileException(DAMAGED, error)
            } catch (error: RuntimeException) {
                throw ModelFileException(DAMAGED, error)
            } catch (error: OutOfMemoryError) { // it makes lists of whatever length a damaged file says
                throw ModelFileException(DAMAGED, error)
            }

        private fun MetadataExtractor.text(file: String) =
            getAssociatedFile(file).use { it.readBytes().toString(Charsets.UTF_8) }

        private fun verify(content: ByteBuffer, card: ModelCard) {
            val crc = CRC32()
            val flatbuffer = content.slice()
            if (card.flatbufferBytes in 0..flatbuffer.limit()) {
                flatbuffer.cut(card.flatbufferBytes)
                crc.update(flatbuffer)
            }
            if (crc.value != card.flatbufferCrc32) {
                throw ModelFileException("the model is damaged, its checksum does not match; copy it again")
            }
        }

        /** Other clients read the classes from the standard's label file: both must say the same. */
        private fun verifyLabels(metadata: MetadataExtractor, card: ModelCard) {
            val file = metadata.getOutputTensorMetadata(0)!!.associatedFiles(0).name()
            val standard = metadata.text(file).lines().filter(String::isNotBlank)
            if (standard != card.labels.map(Label::code)) {
                throw ModelFileException(
                    "the model's $file and its ${ModelCard.NAME} name different classes; export it again",
                )
            }
        }

        private fun sha256(content: ByteBuffer): String {
            val digest = MessageDigest.getInstance("SHA-256")
            digest.update(content.slice())
            return digest.digest().joinToString("") { "%02x".format(it) }
        }

        // On a Buffer: Java 9 gave ByteBuffer a limit of its own, which Android 8 does not have.
        private fun Buffer.cut(end: Int) {
            limit(end)
        }
    }
}
