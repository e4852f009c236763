package org.skinedge.demo

import android.annotation.TargetApi
import android.content.ContentResolver
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.ImageDecoder
import android.graphics.Matrix
import android.graphics.Paint
import android.graphics.RectF
import android.media.ExifInterface
import android.net.Uri
import android.os.Build
import org.skinedge.core.isCompleteJpeg
import org.skinedge.core.sampleSize
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream

// A larger photo is decoded at a half or a quarter of its width and height, by averaging or by
// skipping pixels as its decoder does it: its answer can differ a little from the Python library's.
private const val DECODED_PIXELS = 12_500_000L

// A few kilobytes can claim to be a picture of many gigabytes. The Python library's limit.
private const val MAX_PIXELS = 100_000_000L

private const val SHOWN_SIDE = 2048

/** A photo that cannot be read; [text] is the string resource that says why and what to do. */
class PhotoException(val text: Int) : Exception()

/**
 * A photo, upright.
 *
 * @property argb `[height * width]`, straight ARGB.
 * @property picture what to show: opaque, and small enough for any screen's memory.
 */
class Photo(val argb: IntArray, val width: Int, val height: Int, val picture: Bitmap)

/**
 * Decodes a photo, with its EXIF orientation applied.
 *
 * @throws PhotoException it is missing, no picture, damaged, or too large.
 */
fun loadPhoto(resolver: ContentResolver, uri: Uri): Photo =
    try {
        photo(if (Build.VERSION.SDK_INT >= 28) decode(resolver, uri) else decodeBefore28(resolver, uri))
    } catch (_: FileNotFoundException) {
        throw PhotoException(R.string.photo_missing)
    } catch (_: IOException) {
        throw PhotoException(R.string.photo_unreadable)
    } catch (_: SecurityException) {
        throw PhotoException(R.string.photo_not_allowed)
    } catch (_: RuntimeException) {  // whatever the app that offers the photo runs into
        throw PhotoException(R.string.photo_unreadable)
    } catch (_: OutOfMemoryError) {
        throw PhotoException(R.string.photo_too_large)
    }

@TargetApi(28)
private fun decode(resolver: ContentResolver, uri: Uri): Bitmap =
    ImageDecoder.decodeBitmap(ImageDecoder.createSource(resolver, uri)) { decoder, info, _ ->
        decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
        decoder.isUnpremultipliedRequired = true
        decoder.setTargetSampleSize(checkedSample(info.size.width, info.size.height))
    }

private fun decodeBefore28(resolver: ContentResolver, uri: Uri): Bitmap {
    val options = BitmapFactory.Options()
    options.inJustDecodeBounds = true
    read(resolver, uri) { BitmapFactory.decodeStream(it, null, options) }
    if (options.outWidth < 1 || options.outHeight < 1) throw IOException("no picture")
    // This decoder paints what is missing grey and says nothing; ImageDecoder refuses such a photo.
    if (options.outMimeType == "image/jpeg" && !read(resolver, uri, ::isCompleteJpeg)) {
        throw IOException("cut short")
    }
    options.inJustDecodeBounds = false
    options.inSampleSize = checkedSample(options.outWidth, options.outHeight)
    val orientation = read(resolver, uri) {
        ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
    }
    val bitmap = read(resolver, uri) { BitmapFactory.decodeStream(it, null, options) }
        ?: throw IOException("cannot be decoded")
    return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, uprighting(orientation), false)
}

private fun <T> read(resolver: ContentResolver, uri: Uri, use: (InputStream) -> T): T =
    (resolver.openInputStream(uri) ?: throw FileNotFoundException()).use(use)

private fun checkedSample(width: Int, height: Int): Int {
    if (width.toLong() * height > MAX_PIXELS) throw PhotoException(R.string.photo_too_large)
    return sampleSize(width, height, DECODED_PIXELS)
}

/** What undoes an EXIF orientation, 1 to 8; the identity for any other. */
private fun uprighting(orientation: Int): Matrix {
    val degrees = when (orientation) {
        ExifInterface.ORIENTATION_ROTATE_180, ExifInterface.ORIENTATION_FLIP_VERTICAL -> 180f
        ExifInterface.ORIENTATION_ROTATE_90, ExifInterface.ORIENTATION_TRANSPOSE -> 90f
        ExifInterface.ORIENTATION_ROTATE_270, ExifInterface.ORIENTATION_TRANSVERSE -> 270f
        else -> 0f
    }
    val mirrored = when (orientation) {
        ExifInterface.ORIENTATION_FLIP_HORIZONTAL, ExifInterface.ORIENTATION_FLIP_VERTICAL,
        ExifInterface.ORIENTATION_TRANSPOSE, ExifInterface.ORIENTATION_TRANSVERSE -> true
        else -> false
    }
    val matrix = Matrix()
    matrix.setRotate(degrees)
    if (mirrored) matrix.postScale(-1f, 1f)
    return matrix
}

private fun photo(bitmap: Bitmap): Photo {
    val width = bitmap.width
    val height = bitmap.height
    val argb = IntArray(width * height)
    bitmap.getPixels(argb, 0, width, 0, 0, width, height)
    val drawable = when {
        bitmap.hasAlpha() && !bitmap.isPremultiplied ->
            Bitmap.createBitmap(argb, width, height, Bitmap.Config.ARGB_8888)
        else -> bitmap
    }
    val scale = minOf(1f, SHOWN_SIDE.toFloat() / maxOf(width, height))
    val shownWidth = maxOf(1, Math.round(width * scale))
    val shownHeight = maxOf(1, Math.round(height * scale))
    val picture = Bitmap.createBitmap(shownWidth, shownHeight, Bitmap.Config.ARGB_8888)
    val canvas = Canvas(picture)
    canvas.drawColor(Color.WHITE)  // what the model sees through a transparent photo
    val whole = RectF(0f, 0f, shownWidth.toFloat(), shownHeight.toFloat())
    canvas.drawBitmap(drawable, null, whole, Paint(Paint.FILTER_BITMAP_FLAG))
    bitmap.recycle()
    drawable.recycle()
    return Photo(argb, width, height, picture)
}
